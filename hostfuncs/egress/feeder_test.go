package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sluice/hostfuncs/egress/worktest"

	"github.com/andybalholm/brotli"
)

// bitWriter writes numbers of some bits each, the lowest bit first, as deflate and brotli have them.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

// put writes pairs of a value and of how many bits it has.
func (b *bitWriter) put(pairs ...uint64) {
	for p := range slices.Chunk(pairs, 2) {
		b.bits |= p[0] << b.n
		for b.n += uint(p[1]); b.n >= 8; b.n -= 8 {
			b.out = append(b.out, byte(b.bits))
			b.bits >>= 8
		}
	}
}

func (b *bitWriter) bytes() []byte {
	if b.n > 0 {
		return append(b.out, byte(b.bits))
	}
	return b.out
}

// emptyDeflate is so many bytes, or a little more, of blocks that have tables built and yield nothing.
//
// See https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7
func emptyDeflate(size int) []byte {
	var b bitWriter
	for len(b.out) < size {
		b.put(0, 1, 2, 2, 0, 5, 0, 5, 14, 4)
		for i := range 18 { // lengths of the codes 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1
			if i == 2 || i == 17 {
				b.put(1, 3)
			} else {
				b.put(0, 3)
			}
		}
		b.put(1, 1, 127, 7, 1, 1, 107, 7) // 138 and 118 zeros
		b.put(0, 1, 0, 1)                 // the codes of the end, and of a distance, have one bit
		b.put(0, 1)                       // the end of the block
	}
	b.put(1, 1, 1, 2, 0, 7) // the last block, without a table
	return b.bytes()
}

// slowBrotli is so many bytes, or a little more, of meta-blocks of one literal each, with a context map of 16,384 entries.
//
// See https://www.rfc-editor.org/rfc/rfc7932#section-9.2
func slowBrotli(size int) []byte {
	var b bitWriter
	b.put(0, 1)
	for len(b.out) < size {
		b.put(0, 1, 0, 2, 0, 16, 0, 1)                     // not the last one; one byte
		b.put(1, 1, 7, 3, 127, 7)                          // 256 types of blocks of literals
		b.put(1, 2, 0, 2, 0, 9)                            // the code of types: one symbol
		b.put(1, 2, 0, 2, 0, 5, 0, 2)                      // the code of counts: one symbol, and the first count
		b.put(0, 1, 0, 1, 0, 6)                            // one type of commands, one of distances
		b.put(slices.Repeat([]uint64{0, 2}, 256)...)       // the modes of the types
		b.put(1, 1, 0, 3)                                  // two trees of literals
		b.put(1, 1, 15, 4, 1, 2, 0, 2, 14, 5, 0, 14, 1, 1) // the map: one run of zeros, inverted
		b.put(0, 1)                                        // one tree of distances
		b.put(1, 2, 0, 2, 'x', 8, 1, 2, 0, 2, 'x', 8)      // the trees of literals: one symbol
		b.put(1, 2, 0, 2, 8, 10)                           // of commands
		b.put(1, 2, 0, 2, 0, 6)                            // of distances
	}
	b.put(3, 2)
	return b.bytes()
}

// What is made to take long, or to yield nothing, is paid for as it is fed, and ends early.
func TestFeeder_Hostile(t *testing.T) {
	const size = 1 << 20
	for name, tt := range map[string]struct {
		coding
		body []byte
	}{
		"deflate": {deflated, emptyDeflate(size)}, "brotli": {brotlied, slowBrotli(size)},
		"gzip": {gzipped, bytes.Repeat(pack(t, "gzip", nil), size/20)},
	} {
		t.Run(name, func(t *testing.T) {
			var w worktest.Worker
			body, err := decoded(context.Background(), tt.body, tt.coding, 8<<20, w.Look)
			if !errors.Is(err, errIdle) || len(body) > 0 {
				t.Errorf("%d bytes, %v", len(body), err)
			}
			if fed := w.Total / fedPerByte; fed < fedAtFirst || fed > 2*fedAtFirst || w.Most > fedPerByte*fedPiece {
				t.Errorf("%d bytes were fed, and %d ns at once", fed, w.Most)
			}
			if !worktest.GivesUp(func(w *worktest.Worker) { _, _ = decoded(context.Background(), tt.body, tt.coding, 8<<20, w.Look) }) {
				t.Error("it can't be ended")
			}
		})
	}
}

// A decoder is fed no more than a piece once its context has ended.
func TestFeeder_Ended(t *testing.T) {
	noise := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	for name, c := range map[string]coding{"gzip": gzipped, "zlib": deflated, "raw": deflated, "br": brotlied} {
		packed := pack(t, name, noise)
		ctx, cancel := context.WithCancel(context.Background())
		total := 0
		body, err := decoded(ctx, packed, c, 8<<20, func(n int) {
			if total += n; total >= fedPerByte*len(packed)/2 {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) || body != nil {
			t.Errorf("%s: %d bytes, %v", name, len(body), err)
		}
		if most := (fedPerByte+madePerByte)*len(packed)/2 + madePerByte*2*chunkSize + fedPerByte*fedPiece; total > most {
			t.Errorf("%s: it took %d ns and was ended after %d", name, total, fedPerByte*len(packed)/2)
		}
		if body, err := decoded(context.Background(), packed, c, 8<<20, nil); err != nil || !bytes.Equal(body, noise) {
			t.Errorf("%s: what can't be compressed: %d bytes, %v", name, len(body), err)
		}
	}
}

// flusher is an encoder that lets go what it has.
type flusher interface {
	io.WriteCloser
	Flush() error
}

// What comes in the smallest pieces is no idle decoder.
func TestFeeder_Flushed(t *testing.T) {
	for _, tt := range []struct {
		name string
		coding
		writer func(io.Writer) flusher
	}{
		{"gzip", gzipped, func(w io.Writer) flusher { return gzip.NewWriter(w) }},
		{"brotli", brotlied, func(w io.Writer) flusher { return brotli.NewWriter(w) }},
	} {
		var packed bytes.Buffer
		var want strings.Builder
		w := tt.writer(&packed)
		for i := range 20_000 {
			event := fmt.Sprintf("data: %d\n\n", i)
			if i%2 == 0 {
				event = ":\n\n" // keep the connection
			}
			want.WriteString(event)
			_, _ = io.WriteString(w, event)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if body, err := decoded(context.Background(), packed.Bytes(), tt.coding, 8<<20, nil); err != nil || string(body) != want.String() {
			t.Errorf("%s: %d of %d bytes, from %d: %v", tt.name, len(body), want.Len(), packed.Len(), err)
		}
	}
}
