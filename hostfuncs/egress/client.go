package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hostfuncs/egress/fault"
)

// These are used where [Config] leaves a field unset.
const (
	DefaultResponseLimit  = 8 << 20  // bytes
	DefaultStreamLimit    = 64 << 20 // bytes
	DefaultTimeout        = 30 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultTLSTimeout     = 10 * time.Second
	DefaultIdleTimeout    = 60 * time.Second
)

// Config is what a [Client] is made of.
type Config struct {
	// Policy says where requests may go. Required.
	Policy *Policy
	// Guard judges addresses. Required; one for the process.
	Guard *Guard
	// Sockets is the budget of open sockets, the connector's share of the process's. Required.
	Sockets *Sockets
	// Version is Sluice's, for the User-Agent "sluice/<version>". Default "dev".
	Version string
	// ResponseLimit is how many bytes a response's body may have, as sent and as decoded. Default
	// [DefaultResponseLimit]. A longer one fails.
	ResponseLimit int
	// StreamLimit is the same for a response that is streamed, of which no more than a little is in memory. Default
	// [DefaultStreamLimit].
	StreamLimit int64
	// ConnectTimeout bounds name resolution and connecting together. Default [DefaultConnectTimeout].
	ConnectTimeout time.Duration
	// TLSTimeout bounds the TLS handshake. Default [DefaultTLSTimeout].
	TLSTimeout time.Duration
	// IdleTimeout is how long an unused connection is kept. Default [DefaultIdleTimeout].
	IdleTimeout time.Duration
	// Resolver looks names up. Default: Go's.
	Resolver *net.Resolver
	// RootCAs are the certificate authorities to trust. Default: the system's. See [LoadAuthorities].
	RootCAs *x509.CertPool
	// Certificates are the client certificates to show where a service asks for one. Default none. See [LoadCertificate].
	Certificates []tls.Certificate
	// Proxy is what requests go through. Default none.
	Proxy Proxy
	// Redirects is how many redirects are followed for one request, up to [MaxRedirects]. Default none: a redirect is a
	// response like any other.
	Redirects int
	// Retry says what is tried again. Default nothing.
	Retry Retry
	// Fault bounds what one destination can do to the others. Default: what package fault has.
	Fault fault.Config
	// Counters count what becomes of requests. Default: nobody sees them.
	Counters *Counters
	// OnDenied, where set, is called for every request that is refused, before Do returns. It must not block.
	OnDenied func(Denial)
	// Observe, where set, is told what a stricter policy than Policy would have refused.
	Observe *Observe
}

// Request is one request. The client does not change it, and touches it no more once Do has returned.
type Request struct {
	// Method is one of GET HEAD POST PUT PATCH DELETE OPTIONS.
	Method string
	// URL is absolute, http or https; see [ParseURL].
	URL string
	// Headers are pairs of name and value, sent in any order; repeated names keep theirs.
	Headers [][2]string
	// Body is sent where it is not empty. It may be lent memory: it is not read after Do has returned.
	Body []byte
	// Confined says that it holds what is for its origin alone, such as a secret: where it is redirected to another one,
	// no header of it goes along, and a body never does.
	Confined bool
	// Stream has Do return as soon as the response's head has come. The body is read from [Response.Stream].
	Stream bool
	// Keeper, where set, is asked before a redirect leads to another origin.
	Keeper Keeper
	// Added is by how many bytes the host has made URL and headers longer than the guest wrote them, or shorter. They do not
	// count toward the limits, which would tell how long a secret is.
	Added struct{ URL, Headers int }
	// Astray says that a redirect of another origin has led it where it goes: no credential is added to it.
	Astray bool
	// Worker, where set, does what takes the processor for long. Default: it is done at once.
	Worker Worker
	// Timeout bounds all of it, until the body has been read. Default [DefaultTimeout].
	Timeout time.Duration
	// Memory, where set, is asked before the body of a response takes memory, unless it is streamed. What it lends for
	// [Response.Body] stays lent.
	Memory Memory
	// Cost, where set, gathers what connections take that are opened for the request, also after Do has returned.
	Cost *Cost
}

// Keeper knows what was sent that is for its origin alone.
type Keeper interface {
	// GivesAway says whether the target of a redirect, as the peer wrote it, holds some of it. An origin that repeats in a
	// redirect what it was sent would have the client take that to another one. look is as for [Worker].
	GivesAway(location string, look func(n int)) bool
}

// Response is a response: a whole one, unless it is streamed. It belongs to the caller.
type Response struct {
	// Status is the status code, 200 to 999.
	Status int
	// Headers are pairs of lower-case name and value, sorted by name; repeated ones repeated in order. Values are valid
	// UTF-8: bytes that are not are read as ISO 8859-1. They are as received: where the body was decoded,
	// content-encoding and content-length still describe what was on the wire.
	Headers [][2]string
	// Redirected is the origin that it is from where redirects were followed, "" where none were.
	Redirected string
	// Body is decoded where it came as gzip, deflate or brotli.
	Body []byte
	// Stream is the body, decoded as well, where the request asked for that; else nil. The caller closes it.
	Stream *Stream

	loan loan
}

// Client sends requests within a policy. Its methods may be called at once.
type Client struct {
	config       Config
	opener       *opener
	userAgent    []string
	closed       atomic.Bool
	destinations *fault.Set
	attempted    func(*URL) // for tests: called for each attempt that is made

	mu         sync.RWMutex // protects transports
	transports map[poolKey]*http.Transport
}

// NewClient returns a client. It opens nothing until it is used; [Client.Close] must be called.
func NewClient(config Config) *Client {
	setDefault(&config.Version, "dev")
	setDefault(&config.ResponseLimit, DefaultResponseLimit)
	setDefault(&config.StreamLimit, DefaultStreamLimit)
	setDefault(&config.ConnectTimeout, DefaultConnectTimeout)
	setDefault(&config.TLSTimeout, DefaultTLSTimeout)
	setDefault(&config.IdleTimeout, DefaultIdleTimeout)
	if config.Counters == nil {
		config.Counters = new(Counters)
	}
	config.Fault.OnOpen = func() { config.Counters.CircuitsOpened.Add(1) }
	c := &Client{
		config:       config,
		userAgent:    []string{"sluice/" + config.Version},
		destinations: fault.NewSet(config.Fault),
		transports:   make(map[poolKey]*http.Transport),
	}
	c.opener = &opener{sockets: config.Sockets, client: c, guard: config.Guard, timeout: config.ConnectTimeout}
	c.opener.resolver = c.opener.countLookups(config.Resolver)
	config.Sockets.process.join(c)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Close closes the connections that are idle, and the others when their request ends. Requests begun afterwards fail
// with [ErrClosed]. It may be called more than once.
func (c *Client) Close() {
	if !c.closed.Swap(true) {
		c.config.Sockets.process.leave(c)
	}
	c.closeIdle()
}

// OpenCircuits is how many services are not sent requests at present, because most of the last ones failed.
func (c *Client) OpenCircuits() int { return c.destinations.Open() }

func (c *Client) closeIdle() {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// Authorise says why a request can't be sent, as far as its method and its URL tell; nil where it may be. Do does the same
// and more: it is for those who would compute for a request that is to be refused.
func (c *Client) Authorise(r *Request) *Error {
	e := &exchange{client: c}
	if failure := e.address(r); failure != nil {
		return failure
	}
	_, failure := e.authorise()
	return failure
}

// Do sends the request and reads the whole response, or its head where it is streamed. Redirects are followed and failures
// retried as far as [Config] says, until it returns; no cookie is kept.
//
// # Errors
//
// Exactly one of the results is nil. [CodeEnded] means that ctx ended or the client is closed: end the call.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, *Error) {
	if c.config.Redirects <= 0 {
		return c.send(ctx, r)
	}
	return Follow(ctx, r, c.config.Redirects, c.send)
}

// send is Do without redirects.
func (c *Client) send(ctx context.Context, r *Request) (*Response, *Error) {
	if c.closed.Load() {
		return nil, ended(ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return nil, ended(err)
	}
	e := &exchange{client: c, call: ctx, worker: r.Worker, body: lentBody{data: r.Body}}
	if failure := e.address(r); failure != nil {
		return nil, failure
	}
	var invalidHeader *Error
	if e.header, invalidHeader = c.makeHeader(r.Headers, maxHeaderBytes+r.Added.Headers); invalidHeader != nil {
		return nil, invalidHeader
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	if r.Stream {
		return e.sendStreamed(ctx, cancel, r.Body)
	}
	defer cancel()
	return e.try(ctx, r.Body)
}

// ParseURL reads the request's URL as [ParseURL] does.
func (r *Request) ParseURL() (URL, error) { return parseURL(r.URL, maxURL+r.Added.URL) }

func (r *Request) timeout() time.Duration {
	if r.Timeout <= 0 {
		return DefaultTimeout
	}
	return r.Timeout
}

// address reads where the request goes.
func (e *exchange) address(r *Request) *Error {
	if !validMethod(r.Method) {
		return invalid(FieldMethod, "the method must be one of GET HEAD POST PUT PATCH DELETE OPTIONS, in upper case")
	}
	e.method, e.confined, e.cost, e.loan.from = r.Method, r.Confined, r.Cost, r.Memory
	var err error
	if e.url, err = r.ParseURL(); err != nil {
		return invalid(FieldURL, err.Error())
	}
	return nil
}

// denied completes the denial with where the request wanted to go, and reports it.
func (c *Client) denied(u *URL, err error) *Error {
	var d *Denial
	if !errors.As(err, &d) {
		d = &Denial{Class: ClassUnknown}
	}
	// A connection attempt, and so its error, can be shared by several requests.
	own := *d
	own.Scheme, own.Host, own.Port = u.Scheme(), u.host, u.port
	if c.config.OnDenied != nil {
		c.config.OnDenied(own)
	}
	return &Error{Code: CodeEgressDenied, Message: own.Error(), Denial: &own}
}

// poolKey names a pool of connections.
type poolKey struct {
	allowance *Allowance
	forwards  bool // to the egress proxy, which gets the requests itself
	streams   bool // responses are read as they come
}

// transport returns a pool of connections. Allowances are interned by the policy, and as few as the grant's rules can be
// combined.
func (c *Client) transport(k poolKey) *http.Transport {
	c.mu.RLock()
	t := c.transports[k]
	c.mu.RUnlock()
	if t != nil {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t = c.transports[k]; t == nil {
		t = c.newTransport(k)
		c.transports[k] = t
	}
	return t
}

// exchange is one attempt of a request on its way, with what belongs to it in one piece of memory. It outlives Do where
// a connection attempt, the writing of a body, or a stream does.
type exchange struct {
	client    *Client
	call      context.Context // ends the call
	method    string
	confined  bool
	streams   bool   // the response is streamed
	cost      *Cost  // or nil
	worker    Worker // or nil
	loan      loan   // for the response
	url       URL
	header    http.Header // not changed once it is made: earlier attempts may still be writing it
	target    url.URL     // url as net/http takes it
	body      lentBody    // the request's, if there is one
	wire      boundedReader
	context   requestContext // the request's
	trace     httptrace.ClientTrace
	connected atomic.Bool // the request has a connection, TLS included
	asked     *askedConn  // the one that it has, if it has TLS
}

func (e *exchange) run(ctx context.Context, a *Allowance) (*Response, *Error) {
	c := e.client
	// A retry by net/http on a fresh connection asks for one anew.
	e.trace.GetConn = func(string) { e.connected.Store(false) }
	e.trace.GotConn = func(info httptrace.GotConnInfo) {
		e.connected.Store(true)
		e.begin(info.Conn)
	}
	e.observe(e.method)

	if len(e.body.data) > 0 {
		defer e.body.takeBack()
	}
	e.context = requestContext{ctx, e}
	request, invalidURL := e.makeRequest(httptrace.WithClientTrace(&e.context, &e.trace))
	if invalidURL != nil {
		return nil, invalidURL
	}
	if e.forwards() {
		if err := e.checkTarget(ctx, a); err != nil {
			return nil, e.roundTripError(ctx, &dialError{err})
		}
	}
	response, err := c.transport(poolKey{a, e.forwards(), e.streams}).RoundTrip(request)
	if err != nil {
		e.end()
		return nil, e.roundTripError(ctx, err)
	}
	if e.streams && response.StatusCode >= 200 {
		return e.stream(ctx, response)
	}
	defer e.finish(response.Body)
	if response.StatusCode < 200 {
		return nil, &Error{Code: CodeProtocol, Message: e.url.host + " answered with a status that ends no request"}
	}
	content, err := e.readBody(ctx, response, int64(c.config.ResponseLimit))
	if err != nil {
		return nil, e.bodyError(ctx, err)
	}
	return &Response{Status: response.StatusCode, Headers: responseHeaders(response.Header), Body: content, loan: e.loan}, nil
}

// finish ends the response: a body that was not read to its end costs the connection. A request that was under way when
// the client was closed takes its connection with it.
func (e *exchange) finish(body io.Closer) {
	_ = body.Close()
	e.end()
	if e.client.closed.Load() {
		e.client.closeIdle()
	}
}
