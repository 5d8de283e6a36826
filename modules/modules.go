// Package modules carries the bundled connectors, compiled. Their sources are beside it, a folder each.
package modules

import (
	"embed"
	"path"
	"strings"
)

//go:embed http/http.wasm
var httpModule []byte

// built holds the modules that `make build` compiles; one that was not built is not bundled.
//
//go:embed all:built
var built embed.FS

// Bundled returns the bundled modules by connector name.
func Bundled() map[string][]byte {
	out := map[string][]byte{"http": httpModule}
	files, _ := built.ReadDir("built") // the folder is in the binary: there is nothing that could fail
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".wasm"); ok {
			out[name], _ = built.ReadFile(path.Join("built", f.Name()))
		}
	}
	return out
}
