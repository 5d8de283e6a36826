package egress

// Worker has what takes the processor for long done as the caller's own computing, while the caller waits for the rest of a
// request. It is called from the goroutine that called Do.
type Worker interface {
	// Work calls do, which calls look with about how many nanoseconds each step will take, before the step. look panics where the
	// caller gives the request up.
	Work(do func(look func(n int)))
	// Wait, within Work, calls do, which waits. It may give up as look does, once do has returned.
	Wait(do func())
}

// worthwhile is from how many nanoseconds on something is done as work.
const worthwhile = 20_000

// Work does what takes about so many nanoseconds for the request, by its Worker where it has one.
func (r *Request) Work(nanoseconds int, do func(look func(n int))) { work(r.Worker, nanoseconds, do) }

func work(w Worker, nanoseconds int, do func(look func(n int))) {
	if w == nil || nanoseconds < worthwhile {
		do(func(int) {})
		return
	}
	w.Work(do)
}
