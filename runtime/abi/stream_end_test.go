package abi

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/runtime/sandbox"
)

// However a call ends, its streams end with it.
func TestCall_Release_ClosesStreams(t *testing.T) {
	const each = 3
	c, src := streaming(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			<-r.Context().Done()
			return
		}
		endless(w, r)
	})
	for name, e := range endings(map[string]ending{
		"the deadline, reading": {func(g *guest, ctx context.Context) error {
			for offset := uint64(0); ; {
				n, err := g.try(ctx, "read", 3, offset, 512, 8)
				if err != nil {
					return err
				}
				offset += n
			}
		}, sandbox.OutOfTime},
		"the deadline, passing on": {again("write_from", 3), sandbox.OutOfTime},
		"the deadline, before the head": {func(g *guest, ctx context.Context) error {
			ptr, n := g.put(64, fmt.Sprintf(`{"method":"GET","url":%q,"stream":true}`, src.url+"/silent"))
			return again("http_send", ptr, n, 0, 0)(g, ctx)
		}, sandbox.OutOfTime},
	}) {
		t.Run(name, func(t *testing.T) {
			call := &Call{Host: &hostfuncs.Call{HTTP: c.Host.HTTP}, OutputLimit: 1 << 20}
			e.end(t, call, func(g *guest, ctx context.Context) {
				for i := range each {
					ptr, n := g.put(64, fmt.Sprintf(`{"method":"GET","url":%q,"stream":true}`, src.url))
					if h, err := g.try(ctx, "http_send", ptr, n, 0, 0); err != nil || h != uint64(2+2*i) {
						t.Fatalf("%d, %v", int32(h), err)
					}
				}
				src.wantOpen(t, each)
			})
			src.wantOpen(t, 0)
		})
	}
}

// Decoding is the guest's time, and ends with it; waiting is not.
func TestNative_Stream_Decodes(t *testing.T) {
	c, src := streaming(t, 1<<40, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		piece := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			_, _ = z.Write(piece)
			if r.URL.Path == "/slow" {
				_ = z.Flush()
				w.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	m, err := forwarderCode()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/quick": 0, "/slow": 20} {
		call := &Call{Host: &hostfuncs.Call{HTTP: c.Host.HTTP}}
		in, err := call.Prepare(context.Background(), m, sandbox.Limits{Memory: sandbox.PageSize, CPU: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		g := &guest{t, call, in}
		g.stream(2, src.url+path)
		n, offset := 0, uint64(0)
		for ; n < 1_000_000 && (want == 0 || n < want); n++ {
			read, fault := g.try(context.Background(), "read", 3, offset, 0, memoryEnd/2)
			if err = fault; err != nil {
				break
			}
			offset += read
		}
		if want == 0 {
			g.wantFault(err, sandbox.OutOfFuel)
		} else if err != nil || n != want {
			t.Errorf("%s: %v after %d", path, err, n)
		}
		call.Release()
		in.Close()
	}
}
