package figures

// PerCall are figures of single calls, without a server.
type PerCall struct {
	Machine Machine
	Command string // that measured
	Rounds  int
	Guests  []Guest
	// Requests are guests that fetch a document from a service, which takes no time.
	Requests []Guest
	// Compute are guests that run for long in one call.
	Compute []Compute
}

// Guest is what calls of one guest cost. All guests of a list do the same work.
type Guest struct {
	Name     string // of the folder in benchmarks/guests
	Language string
	Bytes    int // of the module
	// Times are in microseconds a call.
	Times map[Way]Spread
	// ToDirty are these by those of Dirty, round by round, and ToFresh by those of Fresh.
	ToDirty, ToFresh map[Way]Spread
	// PagesWritten is how many pages of memory, 4 KiB each, a call writes that a reset has to restore.
	PagesWritten Spread
	// ResetMicroseconds is what that takes.
	ResetMicroseconds Spread
}

// Way is how calls are run.
type Way string

// The ways in which calls are run.
const (
	Fresh        Way = "fresh"         // plain wazero, an instance for each call
	Dirty        Way = "dirty"         // plain wazero, one instance for all calls, never reset
	Interrupted  Way = "interruptible" // as Dirty, with wazero's WithCloseOnContextDone
	Metered      Way = "metered"       // as Dirty, with the code as Sluice rewrites it
	Pristine     Way = "pristine"      // Sluice: each call from the image taken after warming
	PristineCold Way = "pristine-cold" // the same from an image taken without warming
)

// Compute is one long call of a guest.
type Compute struct {
	Name              string
	Plain, Rewritten  Spread // milliseconds
	Interruptible     Spread // milliseconds
	Metered, Checking Spread // Rewritten and Interruptible by Plain
}

// Extism are figures of the same work as a plug-in in Extism's own host for Go.
type Extism struct {
	Command string
	SDK     string // the host's module and version
	Rounds  int
	Plugins []Plugin
}

// Plugin is what calls of one plug-in cost, in microseconds.
type Plugin struct {
	Language string
	Bytes    int
	// Interruptible is Reused with a deadline, without which nothing ends a plug-in that hangs.
	Fresh, Reused, Interruptible Spread
	// BytesACall and AllocationsACall are what a call of the reused plug-in allocates in the host.
	BytesACall, AllocationsACall float64
}
