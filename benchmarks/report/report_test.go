package main

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/benchmarks/figures"
)

func spread(f float64) figures.Spread { return figures.Spread{Median: f, Min: f / 2, Max: 2 * f} }

// found are figures with everything in them.
func found() results {
	times := map[figures.Way]figures.Spread{
		figures.Fresh: spread(5000), figures.Interrupted: spread(360), figures.Dirty: spread(90),
		figures.Metered: spread(100), figures.Pristine: spread(99), figures.PristineCold: spread(205),
	}
	server := func(name string, perSecond float64) figures.Server {
		return figures.Server{Name: name, PerSecond: spread(perSecond)}
	}
	return results{
		perCall: figures.PerCall{
			Rounds: 3, Machine: figures.Machine{CPU: "a CPU", Cores: 2},
			Guests:   []figures.Guest{{Name: "go", Language: "Go & more", Bytes: 3 << 20, Times: times, ToDirty: times}},
			Requests: []figures.Guest{{Name: "http", Language: "a connector", Times: times, ToFresh: times}},
			Compute:  []figures.Compute{{Name: "a loop", Plain: spread(30)}},
		},
		endToEnd: figures.EndToEnd{
			Command: "go run ./benchmarks/e2e",
			Loads: []figures.Load{{Connections: 32, Servers: []figures.Server{
				server(figures.Sluice, 7000), server(figures.Twin, 9000), server(figures.Bare, 50000),
			}}},
			Waiting: &figures.Waiting{Calls: 8000, Delay: "1s", Servers: []figures.WaitingServer{{Name: figures.Sluice, Failed: 3}}},
		},
		guard:  figures.Guard{Judged: []figures.Judged{{Kind: "public IPv4", Microseconds: spread(0.5)}}, Dial: figures.Compared{Ratio: spread(1)}},
		extism: &figures.Extism{SDK: "an SDK", Plugins: []figures.Plugin{{Language: "Rust", Fresh: spread(1)}}},
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	r := found()
	for file, figure := range map[string]any{
		figures.PerCallFile: r.perCall, figures.EndToEndFile: r.endToEnd, figures.ExtismFile: r.extism,
		figures.GuardFile: r.guard,
	} {
		if err := figures.Write(filepath.Join(dir, file), figure); err != nil {
			t.Fatal(err)
		}
	}
	page, picture := filepath.Join(dir, "page.md"), filepath.Join(dir, "picture.svg")
	if err := report(dir, page, picture); err != nil {
		t.Fatal(err)
	}
	for path, wants := range map[string][]string{
		page: {"picture.svg", "| a CPU, 2 cores", "| Go & more | 3.0 MiB | 5000.0 (2500.0–10000.0) |", "a loop", "| a connector |", "an SDK", "| 32 | Sluice", "| 3 |",
			"| public IPv4 | **0.50 (0.25–1.00)** |", "| a connection |"},
		picture: {"Go &amp; more", "100 µs", "10 ms", "7000, 0.00 of native", "prefers-color-scheme: dark"},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q:\n%s", path, want, text)
			}
		}
	}
}

func TestReport_Errors(t *testing.T) {
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "page.md"), filepath.Join(dir, "picture.svg")
	if err := report(dir, page, picture); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without figures: got %v", err)
	}
	r := found()
	for file, figure := range map[string]any{figures.PerCallFile: r.perCall, figures.EndToEndFile: r.endToEnd, figures.GuardFile: r.guard} {
		if err := figures.Write(filepath.Join(dir, file), figure); err != nil {
			t.Fatal(err)
		}
	}
	if err := report(dir, page, picture); err != nil {
		t.Errorf("without Extism's: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, figures.ExtismFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report(dir, page, picture); err == nil {
		t.Error("broken figures were taken")
	}
}

// TestPicture holds that the picture is well-formed, whatever is missing, and has nothing that does not fit into it.
func TestPicture(t *testing.T) {
	for name, r := range map[string]results{"whole": found(), "empty": {}} {
		d := xml.NewDecoder(strings.NewReader(r.picture()))
		d.Strict = true
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if text := r.picture(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: a number is none:\n%s", name, text)
		}
	}
}
