// Command report makes a page and a picture of the figures that the benchmarks have written. It measures nothing, and
// makes the same of the same figures.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sluice/benchmarks/figures"
)

func main() {
	in := flag.String("in", "bin/bench", "folder of the figures")
	page := flag.String("page", "benchmarks/RESULTS.md", "file for the page")
	picture := flag.String("picture", "benchmarks/results.svg", "file for the picture")
	flag.Parse()
	if err := report(*in, *page, *picture); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(in, page, picture string) error {
	var r results
	if err := figures.Read(filepath.Join(in, figures.PerCallFile), &r.perCall); err != nil {
		return err
	}
	if err := figures.Read(filepath.Join(in, figures.EndToEndFile), &r.endToEnd); err != nil {
		return err
	}
	if err := figures.Read(filepath.Join(in, figures.GuardFile), &r.guard); err != nil {
		return err
	}
	var x figures.Extism
	switch err := figures.Read(filepath.Join(in, figures.ExtismFile), &x); {
	case err == nil:
		r.extism = &x
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.WriteFile(page, []byte(r.page(filepath.Base(picture))), 0o644); err != nil {
		return err
	}
	return os.WriteFile(picture, []byte(r.picture()), 0o644)
}

// results are all figures. Those of Extism can be missing.
type results struct {
	perCall  figures.PerCall
	endToEnd figures.EndToEnd
	guard    figures.Guard
	extism   *figures.Extism
}
