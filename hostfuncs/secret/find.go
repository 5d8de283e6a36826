package secret

import (
	"bytes"

	"sluice/hostfuncs/egress"
)

// maxTried bounds how many texts that begin as references do, and are none, one request may hold, or what is signed.
const maxTried = 1024

// What finding takes, in nanoseconds: for a byte that is searched, and for a text that begins as references do.
const (
	searchedPerByte = 1
	trying          = 100
)

// searchPiece is how much is searched between two calls of look, in bytes.
const searchPiece = 64 << 10

// finder finds the references of a call in what it is given.
type finder struct {
	call  *Call
	tried int
}

// found is a reference in a text.
type found struct {
	at   int // where it begins
	name string
}

// find returns the references in a text, in order; where there are more than so many, one more than these. look is as for
// [Signer.HMAC].
func (f *finder) find(text []byte, most int, look func(n int)) ([]found, *egress.Error) {
	var all []found
	for from := 0; len(text)-from >= ReferenceLength; {
		piece := text[from:min(len(text), from+searchPiece)]
		look(searchedPerByte * len(piece))
		for at := 0; len(all) <= most; at += len(referencePrefix) {
			i := bytes.Index(piece[at:], []byte(referencePrefix))
			if at += i; i < 0 || at+ReferenceLength > len(piece) {
				break
			}
			look(trying)
			if name, ok := f.call.names[string(piece[at:at+ReferenceLength])]; ok {
				all = append(all, found{from + at, name})
			} else if f.tried++; f.tried > maxTried {
				return nil, denied("more than %d texts begin with %s and are no references of this call: split what holds them", maxTried, referencePrefix)
			}
		}
		if len(all) > most {
			break
		}
		from += len(piece) - ReferenceLength + 1 // one that is cut is found in the next piece
	}
	return all, nil
}
