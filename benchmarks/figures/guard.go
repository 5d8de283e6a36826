package figures

// Guard are figures of what the guard of the egress costs.
type Guard struct {
	Command string // that measured
	Rounds  int
	Judged  []Judged
	// Dial opens a connection on loopback and resets it; Request is one over a kept connection.
	Dial, Request Compared
}

// Judged is what it takes to judge an address of a kind.
type Judged struct {
	Kind         string
	Microseconds Spread
}

// Compared is one act, done plainly and under guard.
type Compared struct {
	Plain, Guarded Spread // microseconds
	Ratio          Spread // Guarded by Plain, round by round
	// What the process allocates for one act, in objects, with what its service does.
	PlainAllocations, GuardedAllocations float64
}
