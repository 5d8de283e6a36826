package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/guests"
	"sluice/runtime/sandbox/compile"
)

// runVariable, set in the environment, makes the test binary the program: its arguments are sluice's.
const runVariable = "SLUICE_TEST_RUN"

// cacheHome is where local commands of all tests keep compiled code, so that each guest is compiled once.
var cacheHome string

func TestMain(m *testing.M) {
	compile.Helper()
	if os.Getenv(runVariable) != "" {
		main()
	}
	var err error
	if cacheHome, err = os.MkdirTemp("", "sluice-cmd-"); err != nil {
		panic(err)
	}
	for _, name := range []string{"HOST", "PORT", "CONNECTOR_PROXY_PORT", "CONNECTOR_PROXY_ASYNC_HTTP_PORT", "CONNECTOR_PROXY_API_KEY", "SLUICE_ADMIN_KEY", "SLUICE_SERVER"} {
		_ = os.Unsetenv(name)
	}
	code := m.Run()
	if shared.s != nil {
		_ = shared.s.cmd.Process.Kill()
		<-shared.s.done
	}
	_ = os.RemoveAll(cacheHome)
	os.Exit(code)
}

// command returns the program with these arguments, and env added to its environment.
func command(env []string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(append(os.Environ(), runVariable+"=1", "XDG_CACHE_HOME="+cacheHome), env...)
	return cmd
}

// result is what became of the program.
type result struct {
	code           int
	stdout, stderr string
}

// sluice runs the program.
func sluice(t testing.TB, args ...string) result { return sluiceWith(t, nil, "", args...) }

func sluiceWith(t testing.TB, env []string, stdin string, args ...string) result {
	t.Helper()
	cmd := command(env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	kill := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// want checks how the program ended, and that what it printed has these texts: stdout of a success, else stderr.
func (r result) want(t testing.TB, code int, texts ...string) result {
	t.Helper()
	printed := r.stdout
	if code != exitOK {
		printed = r.stderr
	}
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("%q is not in\n%s", text, printed)
		}
	}
	if r.code != code {
		t.Errorf("exit status %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	return r
}

// decode reads what a command printed with --json.
func decode[T any](t testing.TB, r result) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	return v
}

// serverProcess is `sluice serve` in a process of its own.
type serverProcess struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended
	mu   sync.Mutex
	log  bytes.Buffer
}

// startServer starts `sluice serve` on a free port with this data folder, and waits until it serves.
func startServer(t testing.TB, data string, env []string, args ...string) *serverProcess {
	t.Helper()
	seed(t, data)
	s := &serverProcess{t: t, done: make(chan struct{})}
	s.cmd = command(env, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan string, 1)
	go func() {
		defer close(s.done)
		d := json.NewDecoder(stderr)
		for {
			var raw json.RawMessage
			if d.Decode(&raw) != nil {
				break
			}
			s.mu.Lock()
			s.log.Write(append(raw, '\n'))
			s.mu.Unlock()
			var line struct{ Msg, Address string }
			if json.Unmarshal(raw, &line) == nil && line.Msg == "serving" {
				serving <- line.Address
			}
		}
		rest, _ := io.ReadAll(io.MultiReader(d.Buffered(), stderr))
		s.mu.Lock()
		s.log.Write(rest)
		s.mu.Unlock()
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	select {
	case address := <-serving:
		s.url = "http://" + address
	case <-s.done:
		t.Fatalf("the server ended: %s", s.logged())
	case <-time.After(2 * time.Minute):
		t.Fatalf("the server does not serve: %s", s.logged())
	}
	return s
}

func (s *serverProcess) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// terminate sends SIGTERM and returns the exit status.
func (s *serverProcess) terminate() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	return s.wait(30 * time.Second)
}

func (s *serverProcess) wait(atMost time.Duration) int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(atMost):
		s.t.Fatalf("the server goes on after %s: %s", atMost, s.logged())
	}
	return s.cmd.ProcessState.ExitCode()
}

// post makes a call, and returns the status and the body.
func post(base, id, params string) (int, string, error) {
	resp, err := http.Post(base+"/v1/do/"+id, "application/json", strings.NewReader(params))
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// template is a data folder in which a server has started once: with the bundled connectors, and their code.
func template() string { return filepath.Join(cacheHome, "template") }

// seed gives a new data folder what a first start would bring there, so that the bundled connectors are compiled once.
func seed(t testing.TB, data string) {
	t.Helper()
	from := template()
	if data == from || exists(filepath.Join(data, "catalog.db")) {
		return
	}
	if !exists(from) {
		if code := startServer(t, from, nil).terminate(); code != exitOK {
			t.Fatalf("the first server ended with status %d", code)
		}
	}
	guests.CopyData(t, from, data)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// shared is a server that tests use which change nothing but their own connectors.
var shared struct {
	once sync.Once
	s    *serverProcess
}

// sharedServer returns the URL of the shared server.
func sharedServer(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		data := filepath.Join(cacheHome, "data")
		shared.s = startServer(outliving{t}, data, nil, "--dev")
	})
	if shared.s == nil {
		t.Fatal("the shared server did not start")
	}
	return shared.s.url
}

// outliving is a test whose clean-ups don't run: TestMain ends what it started.
type outliving struct{ testing.TB }

func (outliving) Cleanup(func()) {}

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}
