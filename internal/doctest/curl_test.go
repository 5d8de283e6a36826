package doctest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// curl does what the pages use of the program of that name, for machines without it. It returns its exit status.
func curl(args []string, stdout, stderr io.Writer) int {
	c, err := parseCurl(args)
	if err == nil {
		err = c.send(stdout)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "curl:", err)
	if errors.Is(err, errHTTPStatus) {
		return 22
	}
	return 2
}

var errHTTPStatus = errors.New("the status is 400 or more")

// curlCall is what the arguments ask for.
type curlCall struct {
	request       *http.Request
	output, after string // a file's name; what is printed at the end
	fail          bool
}

func parseCurl(args []string) (c *curlCall, err error) {
	var url, method, body string
	c = &curlCall{}
	header := make(http.Header)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		value := func() string {
			if len(args) == 0 {
				err = fmt.Errorf("%s wants a value", arg)
				return ""
			}
			v := args[0]
			args = args[1:]
			return v
		}
		switch arg {
		case "-s", "-S", "-sS":
		case "-f", "-fs", "-sf", "-fsS":
			c.fail = true
		case "-o":
			c.output = value()
		case "-w":
			c.after = value()
		case "-X":
			method = value()
		case "-H":
			name, v, _ := strings.Cut(value(), ":")
			header.Add(name, strings.TrimSpace(v))
		case "-d", "--data-binary":
			body = value()
			if file, ok := strings.CutPrefix(body, "@"); ok {
				text, readErr := os.ReadFile(file)
				body, err = string(text), errors.Join(err, readErr)
			}
			if method == "" {
				method = http.MethodPost
			}
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
		default:
			if strings.HasPrefix(arg, "-") || url != "" {
				err = errors.Join(err, fmt.Errorf("this stand-in does not know %q", arg))
			}
			url = arg
		}
	}
	if err != nil {
		return nil, err
	}
	if c.request, err = http.NewRequest(method, url, strings.NewReader(body)); err == nil {
		// A type that was given counts, wherever it stood.
		if types := header["Content-Type"]; len(types) > 1 {
			header["Content-Type"] = types[1:]
		}
		c.request.Header = header
	}
	return c, err
}

func (c *curlCall) send(stdout io.Writer) error {
	answer, err := http.DefaultClient.Do(c.request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if c.fail && answer.StatusCode >= 400 {
		return errHTTPStatus
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if c.output == "" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(c.output, text, 0o600)
	}
	after := strings.NewReplacer(`\n`, "\n", "%{http_code}", strconv.Itoa(answer.StatusCode)).Replace(c.after)
	_, afterErr := io.WriteString(stdout, after)
	return errors.Join(err, afterErr)
}

func TestCurl(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/404" {
			w.WriteHeader(http.StatusNotFound)
		}
		body, _ := io.ReadAll(r.Body) // what is missing shows in the answer
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Content-Type"), body)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-s", s.URL}, 0, "GET  "},
		{[]string{"-s", s.URL + "/404"}, 0, "GET  "},
		{[]string{"-fsS", s.URL + "/404"}, 22, ""},
		{[]string{s.URL, "-H", "Content-Type: a/b", "-d", "x"}, 0, "POST a/b x"},
		{[]string{s.URL, "-d", "x", "-H", "Content-Type: a/b"}, 0, "POST a/b x"},
		{[]string{"-X", "PUT", s.URL, "--data-binary", "@" + file}, 0, "PUT application/x-www-form-urlencoded from a file"},
		{[]string{"-o", filepath.Join(t.TempDir(), "out"), "-w", `%{http_code}\n`, s.URL + "/404"}, 0, "404\n"},
		{[]string{"--compressed", s.URL}, 2, ""},
		{[]string{s.URL, "-d"}, 2, ""},
	}
	for _, tc := range tests {
		var out strings.Builder
		if got := curl(tc.args, &out, io.Discard); got != tc.status || out.String() != tc.want {
			t.Errorf("%q: got %d %q, want %d %q", tc.args, got, out.String(), tc.status, tc.want)
		}
	}
}
