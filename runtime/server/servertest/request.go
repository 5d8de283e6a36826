package servertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// String shows status and body for a test's message.
func (a Answer) String() string { return fmt.Sprintf("%d %.500s", a.Status, a.Body) }

// Code is the error's error_code, "" where there is none.
func (a Answer) Code() string { code, _ := a.failure(); return code }

// Message is the error's message, "" where there is none.
func (a Answer) Message() string { _, message := a.failure(); return message }

func (a Answer) failure() (code, message string) {
	var v struct {
		Error struct {
			Code    string `json:"error_code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &v) // what is no JSON has no error
	return v.Error.Code, v.Error.Message
}

// Result is command_response.body of an envelope, as it was written; "" where there is none.
func (a Answer) Result() string {
	var v struct {
		Response struct {
			Body json.RawMessage `json:"body"`
		} `json:"command_response"`
	}
	_ = json.Unmarshal(a.Body, &v) // what is no JSON has no result
	return string(v.Response.Body)
}

// Header makes headers of pairs of name and value.
func Header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// Do executes a command, named "connector/command".
func (s *Server) Do(command, body string) Answer {
	s.t.Helper()
	return s.Send("POST", "/v1/do/"+command, Header("Content-Type", "application/json"), body)
}

// Upload sends a module to management, as this machine's operator or with the key that the server has.
func (s *Server) Upload(module []byte, replace bool) Answer {
	s.t.Helper()
	path := "/admin/v1/connectors"
	if replace {
		path += "?replace=true"
	}
	return s.Send("POST", path, s.Operator("Content-Type", "application/wasm"), string(module))
}

// Operator are the headers of a request to management, and those given as pairs.
func (s *Server) Operator(more ...string) http.Header {
	if s.adminKey != "" {
		return Header(append(more, "Authorization", "Bearer "+s.adminKey)...)
	}
	return Header(append(more, "Sluice-Admin", "1")...)
}

// Send sends a request by net/http. Where no answer comes the test fails, and the answer is empty. The header "Host"
// replaces the request's host.
func (s *Server) Send(method, path string, header http.Header, body string) Answer {
	s.t.Helper()
	a, err := s.Try(method, path, header, body)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	return a
}

// Try is Send where no answer may come.
func (s *Server) Try(method, path string, header http.Header, body string) (Answer, error) {
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if header != nil {
		r.Header = header
		r.Host = header.Get("Host")
	}
	response, err := s.client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	return read(response)
}

func read(response *http.Response) (Answer, error) {
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, body}, err
}

// rawTime bounds how long Raw waits for the server to answer and to close.
const rawTime = 20 * time.Second

// Raw sends bytes on a connection of their own, says that nothing more will come, and returns every answer until the
// server closes.
func (s *Server) Raw(request string) []Answer {
	s.t.Helper()
	conn := s.Dial()
	if conn == nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	go func() { // the server may answer, and close, before it has read all
		_, _ = io.WriteString(conn, request)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	text, _ := io.ReadAll(conn) // a reset ends it as well as a close
	var answers []Answer
	for r := bufio.NewReader(bytes.NewReader(text)); ; {
		if _, err := r.Peek(1); err != nil {
			return answers
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			s.t.Errorf("%.60q: the server answered what is no HTTP: %v: %.200q", request, err, text)
			return answers
		}
		a, err := read(response)
		if err != nil {
			s.t.Errorf("%.60q: the server's answer ends early: %v: %.200q", request, err, text)
		}
		answers = append(answers, a)
	}
}

// Dial opens a connection, on which reading and writing end with an error after a while; nil, and a failed test, where
// that is not possible. The caller closes it.
func (s *Server) Dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(rawTime)) // a new socket takes every deadline
	return conn
}
