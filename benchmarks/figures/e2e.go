package figures

// EndToEnd are figures of whole servers over loopback.
type EndToEnd struct {
	Machine       Machine
	Command       string // that measured
	Rounds        int
	Warmup        string // before each measurement
	Duration      string // of each measurement
	DocumentBytes int    // of what the connectors fetch
	// Others is the part of the machine that was busy with something else meanwhile, in percent.
	Others  Spread
	Loads   []Load
	Waiting *Waiting `json:",omitempty"`
}

// The servers.
const (
	Sluice      = "Sluice, Rust connector"
	SluiceDirty = "the same, never reset"
	SluiceGo    = "Sluice, Go connector"
	GoDirty     = "the same Go, never reset"
	Twin        = "native twin"
	Bare        = "bare fasthttp"
)

// Load is all servers under the load of so many connections.
type Load struct {
	Connections int
	Servers     []Server
}

// Server is one server under a load.
type Server struct {
	Name      string
	PerSecond Spread // requests
	P50, P99  Spread // milliseconds
	// ToTwin are ratios to the twin in the same round.
	ToTwin struct{ PerSecond, P50, P99, CPU Spread }
	// Of the server's process, each call: allocations, their bytes, and collections per 1,000 calls.
	Allocations, Bytes, GCs float64
	// CPU seconds per 1,000 calls.
	ServerCPU, ServiceCPU, ClientCPU float64
}

// Of returns the figures of a server.
func (l Load) Of(name string) (Server, bool) {
	for _, s := range l.Servers {
		if s.Name == name {
			return s, true
		}
	}
	return Server{}, false
}

// Waiting is what memory servers take while many calls wait for a service at once.
type Waiting struct {
	Calls  int
	Rounds int
	// Delay is how long the service waits with its answers once all calls have reached it.
	Delay   string
	Servers []WaitingServer
}

// WaitingServer is one server with waiting calls.
type WaitingServer struct {
	Name string
	// Kilobytes (1,024 bytes) of memory that a waiting call adds to VmRSS and VmPTE: resident pages and page tables. A page
	// of the image, which all sandboxes share, counts in each that has it mapped.
	Kilobytes Spread
	// Private is the same without what is shared: RssAnon and VmPTE.
	Private Spread
	// Failed is how many calls were not answered with status 200, of all rounds.
	Failed int
}
