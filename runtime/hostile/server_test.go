package hostile_test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/hostile"
	"sluice/runtime/server/servertest"
)

var only = flag.String("hostile.only", "", "regular expression: try only the modules with such names")

// named are the modules of that name.
func named(name string) []hostile.Module {
	return slices.DeleteFunc(hostile.Modules(), func(m hostile.Module) bool { return m.Name != name })
}

// chosen are the modules to try that fit.
func chosen(t *testing.T, fits func(m hostile.Module) bool) []hostile.Module {
	t.Helper()
	names, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return slices.DeleteFunc(hostile.Modules(), func(m hostile.Module) bool {
		if !names.MatchString(m.Name) || !fits(m) {
			return true
		}
		n++
		return *only == "" && n%every != 0
	})
}

func notSlow(m hostile.Module) bool { return !m.Slow }

// short is a deadline that most modules are to meet, on a busy machine too.
const short = time.Second

// serve starts a server on which the connectors that end with their deadline have this one, and the others the usual one.
func serve(t *testing.T, deadline time.Duration, options ...servertest.Option) *servertest.Server {
	t.Helper()
	options = append(options, servertest.Bodies(32<<20, 512<<20), servertest.Install(neighbour.Module()))
	for _, m := range hostile.Modules() {
		if slices.Contains(m.Ends, string(envelope.DeadlineExceeded)) {
			options = append(options, servertest.Grant(m.Connector(), runtime.Grant{Deadline: deadline}))
		}
	}
	return servertest.MustServe(t, options...)
}

// neighbour is a connector that does nobody any harm: it answers with its parameters.
var neighbour = servertest.Guest{Manifest: `{"name": "neighbour", "version": "1.0.0", "commands": [
	{"name": "Echo", "parameters": [{"id": "n", "type": "int"}]}]}`}

// watch calls the neighbour and asks whether the server is alive, over and over, until the test ends or stop is called.
func watch(t *testing.T, s *servertest.Server) (stop func()) {
	t.Helper()
	var asked atomic.Int64
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			n := asked.Add(1)
			params := fmt.Sprintf(`{"n":%d}`, n)
			if a := s.Do("neighbour/Echo", params); a.Status != 200 || a.Result() != params {
				t.Errorf("the neighbour answers %s", a)
			}
			if a := s.Send("GET", "/liveness", nil, ""); a.Status != 200 {
				t.Errorf("the server answers %s", a)
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(done)
		wait.Wait()
		if asked.Load() == 0 {
			t.Error("the neighbour was not asked")
		}
	})
	t.Cleanup(stop)
	return stop
}

// each runs do for all modules, so many at once.
func each(modules []hostile.Module, atOnce int, do func(hostile.Module)) {
	var wait sync.WaitGroup
	room := make(chan struct{}, max(atOnce, 1))
	for _, m := range modules {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			do(m)
		})
	}
	wait.Wait()
}

// install uploads the modules, checks what becomes of each, and returns those that were installed.
func install(t *testing.T, s *servertest.Server, modules []hostile.Module) []hostile.Module {
	t.Helper()
	var mu sync.Mutex // protects installed
	var installed []hostile.Module
	upload := func(m hostile.Module) {
		a := s.Upload(m.Bytes, false)
		switch {
		case a.Status == 201 && len(m.Ends) > 0:
			mu.Lock()
			defer mu.Unlock()
			installed = append(installed, m)
		case a.Status == 201:
			t.Errorf("%s was installed, want one of %q", m.Name, m.Refused)
		case a.Status < 400 || a.Status >= 500 || !slices.Contains(m.Refused, a.Code()):
			t.Errorf("%s: the upload got %s, want one of %q", m.Name, a, m.Refused)
		}
	}
	var early, others []hostile.Module
	for _, m := range modules {
		if m.Phase == hostile.Upload || m.Phase == hostile.Execute {
			others = append(others, m)
		} else {
			early = append(early, m)
		}
	}
	each(others, 4, upload)
	each(early, len(early), upload) // many of them take all the time that there is for it
	return installed
}

// harm calls the harm that a module does, which must end in one of these ways.
func harm(t *testing.T, s *servertest.Server, m hostile.Module, ends ...string) {
	t.Helper()
	a := s.Do(m.Connector()+"/"+hostile.Harm, "{}")
	outcome, status := a.Code(), envelope.Code(a.Code()).Status()
	if outcome == "" {
		outcome, status = hostile.OK, 200
	}
	if a.Status != status || !slices.Contains(ends, outcome) {
		t.Errorf("%s: the call got %s, want one of %q", m.Name, a, ends)
	}
}

// fine calls what a module does well. Its deadline is short, and the machine may be busy with something else: then it is
// called again.
func fine(t *testing.T, s *servertest.Server, m hostile.Module) {
	t.Helper()
	var a servertest.Answer
	for range 10 {
		if a = s.Do(m.Connector()+"/"+hostile.Fine, "{}"); a.Code() != string(envelope.DeadlineExceeded) {
			break
		}
	}
	if a.Status != 200 || a.Result() != hostile.Answer {
		t.Errorf("%s: afterwards the connector answers %s", m.Name, a)
	}
}

// TestServer uploads every module to a server and calls it, twice. It achieves what it may, and nothing else: the server
// lives, the neighbour notices nothing, and in the end nothing is left of it, neither goroutines nor memory.
func TestServer(t *testing.T) {
	s := serve(t, short)
	watch(t, s)
	installed := install(t, s, chosen(t, notSlow))
	round := func() {
		each(installed, 8, func(m hostile.Module) { harm(t, s, m, m.Ends...); fine(t, s, m) })
	}
	round()
	before := residentMemory(t)
	round()
	if after := residentMemory(t); after > before+64<<20 {
		t.Errorf("the second round made the process grow from %d to %d MiB", before>>20, after>>20)
	}
	t.Logf("%d modules were installed; %d MiB are resident", len(installed), before>>20)
}

// TestServer_ComputingTime gives guests more time than they may compute in.
func TestServer_ComputingTime(t *testing.T) {
	s := serve(t, time.Minute, servertest.Limits(func(l *runtime.Limits) { l.CPU = 100 * time.Millisecond }))
	watch(t, s)
	installed := install(t, s, chosen(t, func(m hostile.Module) bool { return m.Burns && m.Phase == hostile.Execute }))
	each(installed, 4, func(m hostile.Module) { harm(t, s, m, string(envelope.FuelExhausted)); fine(t, s, m) })
}

// TestServer_Crowd calls one module many times at once.
func TestServer_Crowd(t *testing.T) {
	for _, name := range crowds {
		t.Run(name, func(t *testing.T) {
			s := serve(t, short)
			watch(t, s)
			modules := install(t, s, named(name))
			before := residentMemory(t)
			most := peakMemory(t, func() {
				each(slices.Repeat(modules, 64), 64, func(m hostile.Module) { harm(t, s, m, m.Ends...) })
			})
			for _, m := range modules {
				fine(t, s, m)
			}
			t.Logf("64 calls at once took %d MiB more", int64(most-before)>>20)
			if regexp.MustCompile("^recursion").MatchString(name) && most > before+512<<20 {
				t.Errorf("the process grew from %d to %d MiB", before>>20, most>>20)
			}
		})
	}
}
