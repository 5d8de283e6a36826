package module_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"sluice/runtime/module"
	"sluice/runtime/module/moduletest"
)

// script is one file of the specification's tests: commands about modules beside it.
type script struct {
	suite, name string
	dir         string
	Commands    []command
}

// command is one step of a script, as wast2json writes it.
//
// https://github.com/WebAssembly/wabt/blob/main/docs/wast2json.md
type command struct {
	Type, Filename, Text string
	Line                 int
	Name                 string // of a module
	As                   string // what a module is registered as
	ModuleType           string `json:"module_type"`
	Action               action
	Expected             []value
}

type action struct {
	Type, Module, Field string
	Args                []value
}

// value is a parameter or an expected result.
type value struct {
	Type     string
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage // a number or word in quotes, or a list of them
}

// scripts reads the scripts of a suite, by name.
func scripts(t testing.TB, suite string) map[string]*script {
	t.Helper()
	dir := filepath.Join(module.WazeroDir(t), "internal/integration_test/spectest", suite, "testdata")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no specification tests in %s (%v)", dir, err)
	}
	all := make(map[string]*script)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := &script{suite: suite, name: strings.TrimSuffix(filepath.Base(file), ".json"), dir: dir}
		if err := json.Unmarshal(text, s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[s.name] = s
	}
	return all
}

// file reads a module of the script.
func (s *script) file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spectestModule is the module that scripts import from, which the specification's interpreter has built in.
func spectestModule(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(module.WazeroDir(t), "internal/integration_test/spectest/testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encoded returns the parameters of an action, as the engine's API has them.
func (a action) encoded(t testing.TB) []uint64 {
	t.Helper()
	var args []uint64
	for _, v := range a.Args {
		for _, lane := range v.lanes(t) {
			if lane.nan != "" {
				t.Fatalf("the parameter %s of %s is a pattern", v.Value, a.Field)
			}
		}
		args = append(args, pack(v.lanes(t))...)
	}
	return args
}

// laneValue is one number of a value, or a pattern of a NaN.
type laneValue struct {
	bits  uint64
	width int    // in bits
	float bool   //
	nan   string // "canonical", "arithmetic" or ""
}

// The bit patterns of NaN. An arithmetic one has the highest bit of its fraction set, a canonical one no other.
const (
	canonical32 = 0x7fc00000
	canonical64 = 0x7ff8000000000000
)

// lanes returns the lanes of a vector, or the one number of any other value. A reference to host value n is n + 1, since
// the engine takes 0 for null.
func (v value) lanes(t testing.TB) []laneValue {
	t.Helper()
	var texts []string
	typ := v.Type
	if v.Type == "v128" {
		typ = v.LaneType
		if err := json.Unmarshal(v.Value, &texts); err != nil {
			t.Fatal(err)
		}
	} else {
		var text string
		if err := json.Unmarshal(v.Value, &text); err != nil {
			t.Fatal(err)
		}
		texts = []string{text}
	}
	var out []laneValue
	for _, text := range texts {
		lane := laneValue{width: map[string]int{"i8": 8, "i16": 16, "i32": 32, "f32": 32}[typ], float: typ[0] == 'f' && typ != "funcref"}
		if lane.width == 0 {
			lane.width = 64
		}
		switch {
		case text == "null":
		case strings.HasPrefix(text, "nan:"):
			lane.nan = text[len("nan:"):]
		case strings.HasPrefix(text, "-"):
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			lane.bits = uint64(n) & (math.MaxUint64 >> (64 - lane.width))
		default:
			n, err := strconv.ParseUint(text, 10, lane.width)
			if err != nil {
				t.Fatal(err)
			}
			lane.bits = n
			if typ == "externref" {
				lane.bits++
			}
		}
		out = append(out, lane)
	}
	return out
}

// pack puts lanes into as many words as they take.
func pack(lanes []laneValue) []uint64 {
	words := make([]uint64, (len(lanes)*lanes[0].width+63)/64)
	for i, lane := range lanes {
		at := i * lane.width
		words[at/64] |= lane.bits << (at % 64)
	}
	return words
}

// mismatch says where results are not what a script expects, "" where they are.
func mismatch(t testing.TB, have []uint64, want []value, types []api.ValueType) string {
	t.Helper()
	at := 0
	for n, v := range want {
		if len(v.Value) == 0 || string(v.Value) == "null" { // any reference
			at++
			continue
		}
		lanes := v.lanes(t)
		words := pack(lanes)
		if at+len(words) > len(have) {
			return fmt.Sprintf("%d words of results are too few", len(have))
		}
		for i, lane := range lanes {
			bit := i * lane.width
			bits := have[at+bit/64] >> (bit % 64) & (math.MaxUint64 >> (64 - lane.width))
			if !lane.matches(bits) {
				return fmt.Sprintf("result %d, lane %d is %#x, want %#x%s", n, i, bits, lane.bits, lane.nan)
			}
		}
		at += len(words)
	}
	if at != len(have) || len(types) != len(want) {
		return fmt.Sprintf("%d words of results are too many", len(have))
	}
	return ""
}

func (l laneValue) matches(bits uint64) bool {
	quiet, sign := uint64(canonical64), uint64(1)<<63
	if l.width == 32 {
		quiet, sign = canonical32, 1<<31
	}
	switch l.nan {
	case "canonical":
		return bits&^sign == quiet
	case "arithmetic":
		return bits&quiet == quiet
	}
	return bits == l.bits
}

// engineTraps gives the engine's words for those of the specification, where they differ.
var engineTraps = map[string]moduletest.Trap{
	"undefined element":          "invalid table access",
	"undefined":                  "invalid table access",
	"out of bounds table access": "invalid table access",
	"indirect call":              "indirect call type mismatch",
}

// expectedTrap is the trap that a script expects, in the engine's words.
func (c *command) expectedTrap() moduletest.Trap {
	if c.Type == "assert_exhaustion" {
		return moduletest.TrapExhaustion
	}
	if strings.HasPrefix(c.Text, "uninitialized") {
		return "invalid table access"
	}
	if trap, ok := engineTraps[c.Text]; ok {
		return trap
	}
	return moduletest.Trap(c.Text)
}
