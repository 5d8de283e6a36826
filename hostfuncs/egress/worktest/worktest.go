// Package worktest counts, in tests, the work that is done for a guest.
package worktest

// Worker is who a request's work is done for. It keeps count of what the work takes. It implements egress.Worker.
type Worker struct {
	// Total is how many nanoseconds the steps were said to take, Most the longest of them.
	Total, Most int
	// Steps is how many there were.
	Steps int
	// Waits is how often it was waited within.
	Waits int
	// Last is the step at which Look panics with Over; 0 is none.
	Last int
}

// Over is what a Worker gives up with.
const Over = "over"

// Work implements egress.Worker.
func (w *Worker) Work(do func(look func(n int))) { do(w.Look) }

// Wait implements egress.Worker.
func (w *Worker) Wait(do func()) {
	w.Waits++
	do()
}

// Look is what the work calls before each step.
func (w *Worker) Look(n int) {
	w.Total += n
	w.Most = max(w.Most, n)
	if w.Steps++; w.Steps == w.Last {
		panic(Over)
	}
}

// GivesUp reports whether work that is given up at its third step ends there.
func GivesUp(work func(w *Worker)) (ended bool) {
	w := Worker{Last: 3}
	defer func() { ended = recover() == Over && w.Steps == w.Last }()
	work(&w)
	return false
}
