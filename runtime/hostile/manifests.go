package hostile

import (
	"fmt"
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// manifests describe themselves as nobody may.
func manifests() []Module {
	const invalid = "invalid_manifest"
	commands := func(n int) string {
		return "[" + strings.Repeat(`{"name":"C","parameters":[]},`, n-1) + `{"name":"C","parameters":[]}]`
	}
	named := func(name string) string {
		return fmt.Sprintf(`{"name":%q,"version":"1.0.0","commands":%s}`, name, commands(1))
	}
	shapes := []struct{ name, manifest, code string }{
		{"manifest-of-garbage", "\x00\xff\xfe\x80", invalid},
		{"manifest-of-spaces", strings.Repeat(" ", 1<<20), invalid},
		{"manifest-cut-off", `{"name":"x"`, invalid},
		{"manifest-with-more-behind", manifestOf("manifest-with-more-behind") + "{}", invalid},
		{"manifest-nested", strings.Repeat("[", 500_000), invalid},
		{"manifest-nested-objects", strings.Repeat(`{"name":`, 100_000), invalid},
		{"manifest-of-2-mib", strings.Repeat(" ", 2<<20), describeFailed},
		{"manifest-named-as-a-path", named("../../etc/cron.d/x"), invalid},
		{"manifest-named-nothing", named(""), invalid},
		{"manifest-named-long", named(strings.Repeat("x", 65)), invalid},
		{"manifest-named-with-a-break", named("x\r\ny"), invalid},
		{"manifest-with-a-command-twice", `{"name":"hostile-x","version":"1.0.0","commands":` + commands(2) + `}`, invalid},
		{"manifest-with-30000-commands", `{"name":"hostile-x","version":"1.0.0","commands":` + commands(30_000) + `}`, invalid},
		{"manifest-without-commands", `{"name":"hostile-x","version":"1.0.0","commands":[]}`, invalid},
		{"manifest-with-a-member-twice", `{"name":"hostile-x","name":"hostile-y","version":"1.0.0","commands":` + commands(1) + `}`, invalid},
		{"manifest-with-an-unknown-member", `{"name":"hostile-x","grants":["*"],"version":"1.0.0","commands":` + commands(1) + `}`, invalid},
		{"manifest-with-a-huge-version", `{"name":"hostile-x","version":"` + strings.Repeat("9", 500_000) + `.0.0","commands":` + commands(1) + `}`, invalid},
		{"manifest-with-terminal-codes", `{"name":"hostile-x","description":"\u001b]0;x\u0007","version":"1.0.0","commands":` + commands(1) + `}`, invalid},
		{"manifest-with-an-odd-host", `{"name":"hostile-x","version":"1.0.0","capabilities":[{"name":"http","reason":"x","hosts":["http://a@[::1%25lo]:99999/\u0000"]}],"commands":` + commands(1) + `}`, invalid},
		{"manifest-that-takes-parameters-of-the-engine", `{"name":"hostile-x","version":"1.0.0","commands":[{"name":"C","parameters":[{"id":"spiff__task_data","type":"any"}]}]}`, invalid},
	}
	var all []Module
	for _, s := range shapes {
		g := guest{manifest: s.manifest, phase: Describe}
		g.Pages = (atManifest+len(s.manifest))/page + 1
		all = append(all, g.refused(s.name, s.code))
	}
	write := w.Code(w.I32(free), w.I32(1<<16), w.Call(hostWrite), w.Drop)
	return append(all,
		guest{harm: w.Loop(write, w.Br(0)), phase: Describe}.refused("manifest-without-end", describeFailed),
		guest{harm: w.Repeat(10_000, write), phase: Describe}.refused("manifest-of-640-mib", describeFailed),
		guest{harm: w.Code(w.I32(atHead), w.I32(len(head)), w.Call(hostAnswer), w.Drop), phase: Describe}.module("manifest-as-an-answer", OK),
	)
}
