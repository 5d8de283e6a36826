package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// server is `sluice serve` in a process of its own.
type server struct {
	command *exec.Cmd
	client  *client
	address chan string   // gets its address once it serves
	ended   chan struct{} // closed when its log has ended
	url     string

	mu     sync.Mutex // protects what follows
	last   string     // line of its log
	pauses []time.Duration
}

// build returns the program to measure.
func build(ctx context.Context, p plan, dir string) (string, error) {
	if p.Sluice != "" {
		return p.Sluice, nil
	}
	path := filepath.Join(dir, "sluice")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "sluice/cmd/sluice").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building sluice: %w\n%s", err, out)
	}
	return path, nil
}

// startTime bounds how long the server may take until it serves.
const startTime = 2 * time.Minute

// serve starts the program with the data in dir and a deadline for all calls, and waits until it serves.
func serve(ctx context.Context, p plan, program, dir string, deadline time.Duration) (*server, error) {
	s := &server{client: newClient(max(p.AtOnce, p.Crowd)), address: make(chan string, 1), ended: make(chan struct{})}
	s.command = exec.CommandContext(ctx, program, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"),
		"--call-deadline", deadline.String(), "--pool-max", strconv.Itoa(max(p.Crowd, p.AtOnce)), "--drain", "5s")
	// Go writes a line about each collection, with how long the world stood still for it.
	s.command.Env = append(os.Environ(), "GODEBUG=gctrace=1")
	log, err := s.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go s.read(log)
	select {
	case address := <-s.address:
		s.url = "http://" + address
		return s, nil
	case <-s.ended:
		err = errors.New("the server ended")
	case <-time.After(startTime):
		err = errors.New("the server does not serve")
	}
	return nil, errors.Join(err, s.stop(), errors.New(s.lastLine()))
}

// read reads the server's log, and what Go says of its collections in between.
func (s *server) read(log io.Reader) {
	defer close(s.ended)
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if pauses, ok := parsePauses(lines.Text()); ok {
			s.mu.Lock()
			s.pauses = append(s.pauses, pauses[:]...)
			s.mu.Unlock()
			continue
		}
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			s.address <- line.Address
		}
		s.mu.Lock()
		s.last = lines.Text()
		s.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, log) // where a line was too long, the server is not to wait for its reader
}

func (s *server) lastLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// takePauses returns how long the world stood still in each pause since it was last asked, sorted.
func (s *server) takePauses() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	pauses := s.pauses
	s.pauses = nil
	slices.Sort(pauses)
	return pauses
}

// alive returns an error where the server has ended.
func (s *server) alive() error {
	select {
	case <-s.ended:
		return fmt.Errorf("the server ended: %s", s.lastLine())
	default:
		return nil
	}
}

// stop lets the server end.
func (s *server) stop() error {
	s.client.close()
	_ = s.command.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(startTime, func() { _ = s.command.Process.Kill() })
	defer kill.Stop()
	<-s.ended
	return s.command.Wait()
}

// call is the request that calls a command.
func (s *server) call(connector, command, params string) request {
	return request{Method: http.MethodPost, URL: s.url + "/v1/do/" + connector + "/" + command, Body: params}
}

func (s *server) liveness() request { return request{Method: http.MethodGet, URL: s.url + "/liveness"} }

// upload installs a module, unless it is.
func (s *server) upload(module []byte) error {
	response, err := s.client.do(request{Method: http.MethodPost, URL: s.url + "/admin/v1/connectors", Body: string(module)}, "application/wasm")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusCreated && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return err
}
