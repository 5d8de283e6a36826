package hostfuncs

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs/egress"
)

// doer is a client that has its answer ready, and keeps what it was asked.
type doer struct {
	got      *egress.Request
	response *egress.Response
	failure  *egress.Error
	denial   *egress.Error // before anything is sent
	wait     bool          // for the context's end
}

func (d *doer) Authorise(*egress.Request) *egress.Error { return d.denial }

func (d *doer) Do(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
	d.got = r
	if d.wait {
		<-ctx.Done()
	}
	return d.response, d.failure
}

// sendHTTP is what an ABI does with a request.
func sendHTTP(c *Call, ctx context.Context, head, body []byte) (respHead, respBody []byte, errno Errno, err error) {
	r, errno := c.ParseHTTP(head)
	if errno != OK {
		return nil, nil, errno, nil
	}
	r.Body = body
	response, failure, err := c.SendHTTP(ctx, r)
	if err != nil {
		return nil, nil, OK, err
	}
	response, failure = c.MaskHTTP(response, failure, nil)
	if response != nil {
		respBody = response.Body
	}
	return ResponseHead(response, failure), respBody, OK, nil
}

func TestCall_SendHTTP_Head(t *testing.T) {
	const get = `"method":"GET","url":"http://x/?a=b"`
	request := egress.Request{Method: "GET", URL: "http://x/?a=b", Timeout: DefaultHTTPTimeout}
	with := func(change func(*egress.Request)) *egress.Request {
		r := request
		change(&r)
		return &r
	}
	tests := []struct {
		head string
		want *egress.Request // nil where it is no head
	}{
		{`{` + get + `}`, &request},
		{" {\n" + get + "} ", &request},
		{`{"\u006dethod":"\u0047ET","url":"http:\/\/x\/?a=b"}`, &request},
		{`{` + get + `,"method":"POST"}`, with(func(r *egress.Request) { r.Method = "POST" })},
		{`{"method":"","url":""}`, with(func(r *egress.Request) { r.Method, r.URL = "", "" })}, // the client says what is wrong
		{`{` + get + `,"headers":[]}`, &request},
		{`{` + get + `,"headers":[["a","b"],["a",""],["","\n"]]}`, with(func(r *egress.Request) {
			r.Headers = [][2]string{{"a", "b"}, {"a", ""}, {"", "\n"}}
		})},
		{`{` + get + `,"headers":[["\u0061","` + strings.Repeat("b", 8<<10) + `"],["c","d"]]}`, with(func(r *egress.Request) {
			r.Headers = [][2]string{{"a", strings.Repeat("b", 8<<10)}, {"c", "d"}}
		})},
		{`{` + get + `,"timeout_ms":1}`, with(func(r *egress.Request) { r.Timeout = time.Millisecond })},
		{`{` + get + `,"timeout_ms":2147483647}`, with(func(r *egress.Request) { r.Timeout = 2147483647 * time.Millisecond })},
		{``, nil}, {`null`, nil}, {`[]`, nil}, {`{`, nil}, {`{}`, nil}, {`{` + get + `} x`, nil},
		{`{"method":"GET"}`, nil}, {`{"url":"http://x/"}`, nil},
		{`{"method":1,"url":"http://x/"}`, nil}, {`{"method":"GET","url":null}`, nil},
		{`{` + get + `,"uri":"x"}`, nil}, {`{` + get + `,"body":"x"}`, nil}, {`{` + get + `,"":1}`, nil},
		{`{` + get + `,"method":null,"method":"GET"}`, nil},
		{`{` + get + `,"headers":null}`, nil}, {`{` + get + `,"headers":{"a":"b"}}`, nil},
		{`{` + get + `,"headers":["a"]}`, nil}, {`{` + get + `,"headers":[["a"]]}`, nil}, {`{` + get + `,"headers":[[]]}`, nil},
		{`{` + get + `,"headers":[["a","b","c"]]}`, nil}, {`{` + get + `,"headers":[["a",1]]}`, nil},
		{`{` + get + `,"headers":[[null,"b"]]}`, nil}, {`{` + get + `,"headers":[["a",["b"]]]}`, nil},
		{`{` + get + `,"headers":[` + strings.Repeat(`["",""],`, MaxRequestHeaders) + `["",""]]}`, nil},
		{`{` + get + `,"headers":[["a",1],["a","b"]]}`, nil}, {`{` + get + `,"headers":[1],"headers":[]}`, nil},
		{`{` + get + `,"timeout_ms":0}`, nil}, {`{` + get + `,"timeout_ms":-1}`, nil}, {`{` + get + `,"timeout_ms":1.5}`, nil},
		{`{` + get + `,"timeout_ms":1e3}`, nil}, {`{` + get + `,"timeout_ms":"1"}`, nil}, {`{` + get + `,"timeout_ms":null}`, nil},
		{`{` + get + `,"timeout_ms":2147483648}`, nil}, {`{` + get + `,"timeout_ms":99999999999999999999}`, nil},
		{`{` + get + `,"timeout_ms":0,"timeout_ms":1}`, nil},
		{"{\"method\":\"GET\",\"url\":\"http://\xff/\"}", nil},
		{`{"method":"GET","url":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, nil},
	}
	for _, tc := range tests {
		d := &doer{response: &egress.Response{Status: 200}}
		c := Call{HTTP: d}
		memory := []byte("before " + tc.head + " behind") // the head is a part of the guest's
		head := memory[len("before "):][:len(tc.head)]
		_, _, errno, err := sendHTTP(&c, context.Background(), head, nil)
		clear(memory)
		if d.got != nil {
			d.got.Keeper, d.got.Cost = nil, nil // the call itself
		}
		switch {
		case err != nil:
			t.Errorf("%s: %v", tc.head, err)
		case tc.want == nil && (errno != Invalid || d.got != nil):
			t.Errorf("%s: got %d, sent %+v", tc.head, errno, d.got)
		case tc.want != nil && (errno != OK || !reflect.DeepEqual(d.got, tc.want)):
			t.Errorf("%s: got %d, sent %+v; want %+v", tc.head, errno, d.got, tc.want)
		}
	}
}

func TestCall_SendHTTP(t *testing.T) {
	head := []byte(`{"method":"POST","url":"http://x/"}`)
	tests := []struct {
		name       string
		d          doer
		head, body string
	}{
		{"least", doer{response: &egress.Response{Status: 204}}, `{"status":204,"headers":[]}`, ""},
		{"all", doer{response: &egress.Response{Status: 503, Body: []byte("body"),
			Headers: [][2]string{{"set-cookie", "a=\"b\""}, {"set-cookie", "c"}}}},
			`{"status":503,"headers":[["set-cookie","a=\"b\""],["set-cookie","c"]]}`, "body"},
		{"failure", doer{failure: &egress.Error{Code: egress.CodeDNS, Message: `the name "x"`}},
			`{"error":{"code":"dns","message":"the name \"x\""}}`, ""},
		{"open circuit", doer{failure: &egress.Error{Code: egress.CodeCircuitOpen, Message: "m", RetryAfter: 1500 * time.Millisecond}},
			`{"error":{"code":"circuit_open","message":"m","retry_after_ms":1500}}`, ""},
		{"failure of a field", doer{failure: &egress.Error{Code: egress.CodeInvalidRequest, Message: "m", Field: egress.FieldURL}},
			`{"error":{"code":"invalid_request","message":"m","field":"url"}}`, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := Call{HTTP: &tc.d}
			gotHead, gotBody, errno, err := sendHTTP(&c, context.Background(), head, []byte("sent"))
			if string(gotHead) != tc.head || string(gotBody) != tc.body || errno != OK || err != nil {
				t.Errorf("got %s, %q, %d, %v; want %s, %q", gotHead, gotBody, errno, err, tc.head, tc.body)
			}
			if !json.Valid(gotHead) || string(tc.d.got.Body) != "sent" {
				t.Errorf("got %s for %+v", gotHead, tc.d.got)
			}
		})
	}
}

func TestCall_SendHTTP_Limits(t *testing.T) {
	d := &doer{response: &egress.Response{Status: 200}}
	c := Call{HTTP: d}
	if _, _, errno, err := sendHTTP(&c, context.Background(), make([]byte, MaxRequestHead+1), nil); errno != TooLarge || err != nil || d.got != nil {
		t.Errorf("got %d, %v", errno, err)
	}
	c.Describing = true
	if _, _, errno, err := sendHTTP(&c, context.Background(), []byte(`{}`), nil); errno != NotAvailable || err != nil || d.got != nil {
		t.Errorf("got %d, %v", errno, err)
	}
}

// A request leaves the guest time to answer: a second of the call's, or half of what is left.
func TestCall_SendHTTP_Timeout(t *testing.T) {
	for _, tc := range []struct {
		left        time.Duration
		head        string
		least, most time.Duration
	}{
		{time.Hour, ``, DefaultHTTPTimeout, DefaultHTTPTimeout},
		{time.Hour, `,"timeout_ms":90000`, 90 * time.Second, 90 * time.Second},
		{20 * time.Second, ``, 15 * time.Second, 19 * time.Second},
		{20 * time.Second, `,"timeout_ms":5000`, 5 * time.Second, 5 * time.Second},
		{1600 * time.Millisecond, ``, 400 * time.Millisecond, 800 * time.Millisecond},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), tc.left)
		d := &doer{response: &egress.Response{Status: 200}}
		c := Call{HTTP: d}
		if _, _, errno, err := sendHTTP(&c, ctx, []byte(`{"method":"GET","url":"http://x/"`+tc.head+`}`), nil); errno != OK || err != nil {
			t.Errorf("got %d, %v", errno, err)
		} else if d.got.Timeout < tc.least || d.got.Timeout > tc.most {
			t.Errorf("%s left%s: timeout %s, want %s to %s", tc.left, tc.head, d.got.Timeout, tc.least, tc.most)
		}
		cancel()
	}
}

func TestCall_SendHTTP_Ended(t *testing.T) {
	for name, want := range map[string]error{"deadline": context.DeadlineExceeded, "cancel": context.Canceled} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if name == "cancel" {
			ctx, cancel = context.WithCancel(context.Background())
			cancel()
		}
		c := Call{HTTP: &doer{wait: true, failure: &egress.Error{Code: egress.CodeEnded}}}
		head, body, errno, err := sendHTTP(&c, ctx, []byte(`{"method":"GET","url":"http://x/"}`), nil)
		if !errors.Is(err, want) || head != nil || body != nil || errno != OK {
			t.Errorf("%s: got %q, %q, %d, %v", name, head, body, errno, err)
		}
		// A response that came in time counts, even if the call's time is over now.
		c.HTTP = &doer{wait: true, response: &egress.Response{Status: 200}}
		if head, _, _, err := sendHTTP(&c, ctx, []byte(`{"method":"GET","url":"http://x/"}`), nil); err != nil || head == nil {
			t.Errorf("%s: got %q, %v", name, head, err)
		}
		cancel()
	}
}

func TestDenied(t *testing.T) {
	c := Call{HTTP: Denied("not granted")}
	head, body, errno, err := sendHTTP(&c, context.Background(), []byte(`{"method":"GET","url":"http://user:s3cret@x/"}`), nil)
	var answer struct {
		Error struct{ Code, Message, Field string }
	}
	if errno != OK || err != nil || body != nil || json.Unmarshal(head, &answer) != nil {
		t.Fatalf("got %s, %q, %d, %v", head, body, errno, err)
	}
	if e := answer.Error; e.Code != "egress_denied" || !strings.Contains(e.Message, "grant") || strings.Contains(e.Message, "s3cret") || e.Field != "" {
		t.Errorf("got %+v", e)
	}
}

func TestCall_Clock(t *testing.T) {
	var c Call
	if before, now := time.Now().UnixNano(), c.Now(); now < before || now > time.Now().UnixNano() {
		t.Errorf("now is %d", now)
	}
	ctx, cancel := context.WithCancel(context.Background())
	began := time.Now()
	if err := c.Sleep(ctx, 2*time.Millisecond); err != nil || time.Since(began) < 2*time.Millisecond {
		t.Errorf("slept %s, %v", time.Since(began), err)
	}
	for _, d := range []time.Duration{0, -1} {
		if err := c.Sleep(ctx, d); err != nil {
			t.Error(err)
		}
	}
	cancel()
	for _, d := range []time.Duration{0, -1, time.Hour} {
		if err := c.Sleep(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("sleeping %s: %v", d, err)
		}
	}
}

// Whatever a guest asks for, what the client gets is what the head says, and what the guest gets is JSON.
func FuzzCall_SendHTTP(f *testing.F) {
	f.Add([]byte(`{"method":"GET","url":"http://x/","headers":[["a","b"]],"timeout_ms":5}`), "content-type", "text/x")
	f.Add([]byte(`{"method":"GET","url":"http://x/","headers":[["a","b","c"]]}`), "\xff", "\"")
	f.Add([]byte(`{"url":1}`), "", "")
	f.Fuzz(func(t *testing.T, head []byte, name, value string) {
		d := &doer{response: &egress.Response{Status: 200, Headers: [][2]string{{name, value}}}}
		c := Call{HTTP: d}
		got, _, errno, err := sendHTTP(&c, context.Background(), head, nil)
		if err != nil || errno == OK == (d.got == nil) {
			t.Fatalf("got %d, %v, sent %+v", errno, err, d.got)
		}
		if errno != OK {
			if errno != Invalid && errno != TooLarge || got != nil {
				t.Errorf("got %d, %q", errno, got)
			}
			return
		}
		if !json.Valid(got) {
			t.Errorf("got %q", got)
		}
		var asked struct {
			Method, URL string
			Headers     [][]string
		}
		if err := json.Unmarshal(head, &asked); err != nil {
			t.Fatalf("%q was taken: %v", head, err)
		}
		if d.got.Timeout <= 0 || len(asked.Headers) != len(d.got.Headers) {
			t.Errorf("%q was sent as %+v", head, d.got)
		}
	})
}
