package fault

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

var standard = Default()

func enter(t testing.TB, d *Destination) Pass {
	t.Helper()
	p, err := d.Enter()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fail(t testing.TB, d *Destination, n int) {
	t.Helper()
	for range n {
		enter(t, d).Leave(Failure, "connect")
	}
}

func expectOpen(t testing.TB, d *Destination) *Open {
	t.Helper()
	_, err := d.Enter()
	var open *Open
	if !errors.As(err, &open) {
		t.Fatalf("expected an open circuit, was %v", err)
	}
	return open
}

func TestDestination_Opens(t *testing.T) {
	s := NewSet(Config{})
	d := s.Get(Key{Host: "dead.example"})
	fail(t, d, standard.Failures-1)
	enter(t, d).Leave(Nothing, "")
	enter(t, d).Leave(Success, "")
	fail(t, d, 1)
	open := expectOpen(t, d)
	if open.Last != "connect" || open.Wait < time.Second || open.Wait > 2*standard.Open {
		t.Errorf("%+v", open)
	}
	for range 100 {
		enter(t, s.Get(Key{Host: "other.example"})).Leave(Success, "")
	}
	expectOpen(t, s.Get(Key{Host: "dead.example"}))
	enter(t, s.Get(Key{Host: "dead.example", Secure: true}))
}

// TestDestination_Configured: a circuit opens with the failure that is configured, and not before.
func TestDestination_Configured(t *testing.T) {
	for _, tt := range []struct {
		config   Config
		outcomes string // of attempts: f for a failure, s for a success
	}{
		{Config{Failures: 1, Window: 1}, "f"},
		{Config{Failures: 1, Window: 1}, "ssssf"},
		{Config{Failures: 1, Window: 5}, "sssssf"},
		{Config{Failures: 3, Window: 3}, "ffsffsfff"},
		{Config{Failures: 2, Window: 4}, "fssssfssf"},
		{Config{Failures: 12}, strings.Repeat("f", 11) + "s" + strings.Repeat("f", 12)},
		{Config{Failures: 1000, Window: 1000}, strings.Repeat("f", 1000)},
	} {
		d := NewSet(tt.config).Get(Key{})
		for i, outcome := range tt.outcomes {
			pass, err := d.Enter()
			if err != nil {
				t.Errorf("%+v: open after %.20s", tt.config, tt.outcomes[:i])
				break
			}
			if outcome == 'f' {
				pass.Leave(Failure, "connect")
			} else {
				pass.Leave(Success, "")
			}
		}
		expectOpen(t, d)
	}
}

func TestDestination_StaysClosed(t *testing.T) {
	for _, tt := range []struct {
		name                string
		failures, successes int
	}{
		{"half fails", 1, 1}, {"three of four fail", 3, 1}, {"all succeed", 0, 1},
	} {
		d := NewSet(Config{}).Get(Key{})
		for range 100 {
			fail(t, d, tt.failures)
			for range tt.successes {
				enter(t, d).Leave(Success, "")
			}
		}
		if _, err := d.Enter(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestDestination_HalfOpen: few probes go, and what comes of them decides.
func TestDestination_HalfOpen(t *testing.T) {
	const open = 20 * time.Millisecond
	for _, tt := range []struct {
		name   string
		second Verdict
		closes bool
	}{
		{"both succeed", Success, true}, {"one fails", Failure, false}, {"one is given up", Nothing, false},
	} {
		opened := 0
		s := NewSet(Config{Open: open, OnOpen: func() { opened++ }})
		d := s.Get(Key{})
		late := enter(t, d)
		fail(t, d, standard.Failures)
		expectOpen(t, d)
		time.Sleep(2 * open)
		first, second := enter(t, d), enter(t, d)
		expectOpen(t, d)
		late.Leave(Failure, "late") // began before the circuit opened: no probe
		first.Leave(Success, "")
		second.Leave(tt.second, "timeout")
		if n := s.Open(); (n == 0) != tt.closes || opened != 1 { // a probe that fails opens it no other time
			t.Errorf("%s: %d are open, %d were opened", tt.name, n, opened)
		}
		if _, err := d.Enter(); (err == nil) != tt.closes {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDestination_Bulkhead(t *testing.T) {
	s := NewSet(Config{Concurrent: 3})
	d := s.Get(Key{Host: "a"})
	held := []Pass{enter(t, d), enter(t, d), enter(t, d)}
	if _, err := d.Enter(); !errors.Is(err, ErrFull) {
		t.Errorf("expected a full bulkhead, was %v", err)
	}
	enter(t, s.Get(Key{Host: "b"}))
	held[0].Leave(Nothing, "")
	enter(t, d)
}

func TestSet_Bounded(t *testing.T) {
	s := NewSet(Config{Destinations: 64})
	dead := s.Get(Key{Host: "dead.example"})
	fail(t, dead, standard.Failures)
	busy := s.Get(Key{Host: "busy.example"})
	enter(t, busy)
	for i := range 10_000 {
		enter(t, s.Get(Key{Host: fmt.Sprintf("h%d.example", i)})).Leave(Success, "")
		if n := s.Len(); n > 64 {
			t.Fatalf("%d destinations", n)
		}
	}
	if s.Get(Key{Host: "dead.example"}) != dead || s.Get(Key{Host: "busy.example"}) != busy {
		t.Error("naming other hosts made the set forget an open circuit or what is under way")
	}
	for i := range 1000 { // where nothing is forgettable, the bound holds all the same
		fail(t, s.Get(Key{Host: fmt.Sprintf("d%d.example", i)}), 1)
		if n := s.Len(); n > 64 {
			t.Fatalf("%d destinations", n)
		}
	}
}

func TestBudget(t *testing.T) {
	take := func(b *Budget) (n int) {
		for b.Take() {
			n++
		}
		return n
	}
	b := NewSet(Config{}).Get(Key{}).Budget()
	if n := take(b); n != standard.RetryBurst {
		t.Errorf("%d retries at first", n)
	}
	for range 1000 {
		b.Earn()
	}
	if n := take(b); n != standard.RetryBurst {
		t.Errorf("%d retries after a thousand successes at once", n)
	}
	small := NewSet(Config{RetryBurst: 1, RetryPercent: 50}).Get(Key{}).Budget()
	if n := take(small); n != 1 {
		t.Errorf("%d retries of a burst of 1", n)
	}
	small.Earn()
	if n := take(small); n != 0 {
		t.Errorf("%d retries after one success", n)
	}
	small.Earn()
	if n := take(small); n != 1 {
		t.Errorf("%d retries after two successes", n)
	}
	var taken int
	for range 1000 {
		b.Earn()
		taken += take(b)
	}
	if taken != 100 {
		t.Errorf("%d retries for a thousand successes", taken)
	}
}

func TestDestination_AtOnce(t *testing.T) {
	s := NewSet(Config{Concurrent: 4, Destinations: 8, Open: time.Millisecond})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				d := s.Get(Key{Host: fmt.Sprintf("h%d", i%16)})
				if p, err := d.Enter(); err == nil {
					p.Leave(Verdict((i+g)%3), "timeout")
				}
				d.Budget().Earn()
				d.Budget().Take()
			}
		})
	}
	all.Wait()
	for _, d := range s.destinations {
		if n := d.under.Load(); n != 0 {
			t.Errorf("%d attempts are left under way", n)
		}
	}
}

func TestDestination_Allocations(t *testing.T) {
	s := NewSet(Config{})
	k := Key{Secure: true, Port: 443, Host: "api.example.com"}
	if n := testing.AllocsPerRun(1000, func() { enter(t, s.Get(k)).Leave(Success, "") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDestination(b *testing.B) {
	s := NewSet(Config{})
	k := Key{Secure: true, Port: 443, Host: "api.example.com"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if p, err := s.Get(k).Enter(); err == nil {
				p.Leave(Success, "")
			}
		}
	})
}
