package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Record says which file of the cache is a module's code, and what digest it has. Whoever keeps it, away from the cache,
// need not know what is in it; "" is none. It is of no use on another processor or with another version of the engine or
// of the module, where the module is compiled anew.
type Record string

// Three SHA-256 in hexadecimal with a colon between them.
const (
	digestLength = 2 * sha256.Size
	recordLength = 3*digestLength + 2
)

func newRecord(key, name, digest string) Record { return Record(key + ":" + name + ":" + digest) }

func (r Record) valid() bool {
	if len(r) != recordLength {
		return false
	}
	parts := strings.Split(string(r), ":")
	return len(parts) == 3 && isDigest(parts[0]) && isDigest(parts[1]) && isDigest(parts[2])
}

// key says what was compiled, and by what.
func (r Record) key() string { return string(r[:digestLength]) }

// name is the file's name, which is the engine's choice.
func (r Record) name() string { return string(r[digestLength+1 : 2*digestLength+1]) }

// digest is the file's SHA-256.
func (r Record) digest() string { return string(r[2*digestLength+2:]) }

// isDigest says whether s is a SHA-256 in hexadecimal, and so can be the name of a file.
func isDigest(s string) bool {
	if len(s) != digestLength {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}

// identity says which compiler this is: code made by one of another identity is of no use to the engine.
type identity struct {
	// dir is the folder inside the cache where the engine keeps code; it has the engine's version and the platform in it.
	dir string
	// probe is the name that the engine gives to the code of a module that is always the same. It depends on the
	// processor's features and on the configuration, which can't be asked for.
	probe string
}

// key returns by what a module's record is found.
func (i identity) key(wasm []byte) string {
	digest := sha256.Sum256(wasm)
	sum := sha256.Sum256([]byte(i.dir + "\n" + i.probe + "\n" + hex.EncodeToString(digest[:])))
	return hex.EncodeToString(sum[:])
}
