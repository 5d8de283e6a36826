package hostile

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"sluice/runtime/module"
	w "sluice/runtime/sandbox/wasmtest"
)

// most is the largest count that a module can claim.
const most = 1<<32 - 1

// refused is a module that is nothing but its bytes.
func refused(name string, file []byte, codes ...module.Code) Module {
	m := Module{Name: name, Phase: Upload, Bytes: file}
	for _, c := range codes {
		m.Refused = append(m.Refused, string(c))
	}
	return m
}

// typeSection has () -> () as type 0.
var typeSection = w.Section(w.SectionType, w.Vector(w.Signature("", "")))

// oneFunction is a module with one function of this body.
func oneFunction(body []byte) []byte {
	return w.Binary(typeSection, w.Section(w.SectionFunction, w.Vector(w.U(0))), w.Section(w.SectionCode, w.Vector(body)))
}

// repeated is a vector of n equal items.
func repeated(n int, item ...byte) []byte { return w.Code(w.U(n), bytes.Repeat(item, n)) }

// counts are a few dozen bytes that claim billions of something. Whoever allocates by what they claim is out of memory.
func counts() []Module {
	billions := w.U(most)
	raw := func(b ...byte) []byte { return b }
	const malformed, limit = module.CodeMalformed, module.CodeLimitExceeded
	return []Module{
		refused("billions-of-types", w.Binary(w.Section(w.SectionType, billions)), malformed),
		refused("billions-of-parameters", w.Binary(w.Section(w.SectionType, raw(1, 0x60), billions, raw(0, 0))), malformed),
		refused("billions-of-results", w.Binary(w.Section(w.SectionType, raw(1, 0x60, 0), billions, raw(0))), malformed),
		refused("billions-of-imports", w.Binary(w.Section(w.SectionImport, billions)), malformed),
		refused("billions-of-functions", w.Binary(typeSection, w.Section(w.SectionFunction, billions)), malformed),
		refused("billions-of-tables", w.Binary(w.Section(w.SectionTable, billions)), malformed),
		refused("billions-of-memories", w.Binary(w.Section(w.SectionMemory, billions)), malformed),
		refused("billions-of-globals", w.Binary(w.Section(w.SectionGlobal, billions)), malformed),
		refused("billions-of-exports", w.Binary(w.Section(w.SectionExport, billions)), malformed),
		refused("billions-of-element-segments", w.Binary(w.Section(w.SectionElement, billions)), malformed),
		refused("billions-of-elements", w.Binary(w.Section(w.SectionElement, raw(1, 1, 0), billions)), malformed),
		refused("billions-of-bodies", w.Binary(w.Section(w.SectionCode, billions)), malformed),
		refused("billions-of-data-segments", w.Binary(w.Section(w.SectionData, billions)), malformed),
		refused("billions-of-data-announced", w.Binary(w.Section(w.SectionDataCount, billions)), limit),
		refused("data-of-4-gib", w.Binary(w.Section(w.SectionData, raw(1, 1), billions)), malformed),
		refused("section-of-4-gib", w.Binary(raw(w.SectionType), billions), malformed),
		refused("custom-section-of-4-gib", w.Binary(raw(w.SectionCustom), billions), malformed),
		refused("custom-name-of-4-gib", w.Binary(w.Section(w.SectionCustom, billions)), malformed),
		refused("import-module-of-4-gib", w.Binary(w.Section(w.SectionImport, raw(1), billions, raw(0, 0, 0))), malformed),
		refused("import-name-of-4-gib", w.Binary(w.Section(w.SectionImport, raw(1, 0), billions, raw(0, 0))), malformed),
		refused("export-name-of-4-gib", w.Binary(w.Section(w.SectionExport, raw(1), billions, raw(0, 0))), malformed),
		refused("body-of-4-gib", oneFunction(w.Code(billions, raw(0, 0x0b))), malformed),
		refused("billions-of-locals", oneFunction(w.Body([]w.Locals{{Count: most, Type: 'I'}}, nil)), limit),
		refused("billions-of-locals-twice", oneFunction(w.Body([]w.Locals{{Count: most, Type: 'I'}, {Count: most, Type: 'I'}}, nil)), limit),
		refused("billions-of-runs-of-locals", oneFunction(w.Code(w.U(len(billions)+1), billions, raw(0x0b))), malformed),
		refused("billions-of-branch-targets", oneFunction(w.Body(nil, w.Code(raw(0x0e), billions))), malformed),
		refused("billions-of-select-types", oneFunction(w.Body(nil, w.Code(raw(0x1c), billions))), malformed),
		refused("table-of-billions", w.Binary(w.Section(w.SectionTable, raw(1, 0x70, 0), billions)), limit),
		refused("memory-of-4-gib", w.Binary(w.Section(w.SectionMemory, raw(1, 0), w.U(1<<16))), limit),
		refused("memory-of-256-tib", w.Binary(w.Section(w.SectionMemory, raw(1, 0), billions)), malformed),
		refused("number-without-end", w.Binary(raw(w.SectionType), bytes.Repeat(raw(0x80), 64)), malformed),
		refused("number-of-65-bits", w.Binary(w.Section(w.SectionType, bytes.Repeat(raw(0xff), 9), raw(0x7f))), malformed),
	}
}

// structures are modules of many kilobytes, each with too much of something, or with something where it may not be.
func structures() []Module {
	nested := func(n int) []byte {
		return oneFunction(w.Body(nil, w.Code(bytes.Repeat([]byte{0x02, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))))
	}
	loops := func(locals int) []byte {
		return oneFunction(w.Body([]w.Locals{{Count: locals, Type: 'I'}}, w.Repeat(10_000, w.Loop())))
	}
	const malformed, limit = module.CodeMalformed, module.CodeLimitExceeded
	order := w.Code(w.Section(w.SectionMemory, repeated(1, 0, 1)), typeSection)
	return []Module{
		refused("parameters-100000", w.Binary(w.Section(w.SectionType, w.U(1), []byte{0x60}, repeated(100_000, 0x7f), w.U(0))), limit),
		refused("types-1000000", w.Binary(w.Section(w.SectionType, repeated(1_000_000, 0x60, 0, 0))), limit),
		refused("functions-200000", w.Binary(typeSection, w.Section(w.SectionFunction, repeated(200_000, 0)), w.Section(w.SectionCode, repeated(200_000, 2, 0, 0x0b))), limit),
		refused("nested-blocks-100000", nested(100_000), limit),
		refused("nested-blocks-2001", nested(2_001), limit),
		refused("locals-50000-loops-10000", loops(50_000), limit),
		refused("locals-9999-loops-10000", loops(9_999), limit),
		refused("branch-targets-1000000", oneFunction(w.Body(nil, w.Code([]byte{0x0e}, repeated(1_000_000, 0), w.U(0)))), limit),
		refused("branch-targets-64-times-16000", oneFunction(w.Body(nil, w.Repeat(64, []byte{0x0e}, repeated(16_000, 0), w.U(0)))), limit),
		refused("custom-sections-1000000", w.Binary(bytes.Repeat(w.Section(w.SectionCustom, w.Name("")), 1_000_000)), limit),
		refused("body-of-2-mib", oneFunction(w.Body(nil, bytes.Repeat([]byte{0x01}, 2<<20))), limit),
		refused("module-of-17-mib", w.Binary(w.Section(w.SectionCustom, w.Name(""), make([]byte, 17<<20))), module.CodeTooLarge),
		refused("elements-2000000", w.Binary(typeSection, w.Section(w.SectionFunction, repeated(1, 0)),
			w.Section(w.SectionElement, repeated(2_000_000, 1, 0, 0)), w.Section(w.SectionCode, repeated(1, 2, 0, 0x0b))), limit),
		refused("sections-out-of-order", w.Binary(order), malformed),
		refused("section-twice", w.Binary(typeSection, typeSection), malformed),
		refused("section-unknown", w.Binary(w.Section(14)), malformed),
		refused("section-with-more-behind", w.Binary(w.Section(w.SectionType, w.Vector(), []byte{0})), malformed),
		refused("function-without-body", w.Binary(typeSection, w.Section(w.SectionFunction, repeated(1, 0))), malformed),
		refused("body-without-function", w.Binary(w.Section(w.SectionCode, repeated(1, 2, 0, 0x0b))), malformed),
		refused("start-of-no-function", w.Binary(w.Section(w.SectionStart, w.U(most))), malformed),
		refused("export-of-no-function", w.Binary(w.Section(w.SectionExport, w.U(1), w.Name("f"), []byte{0}, w.U(most))), malformed),
		refused("export-twice", w.Binary(w.Section(w.SectionMemory, repeated(1, 0, 1)), w.Section(w.SectionExport, repeated(2, 1, 'm', 2, 0))), malformed),
		refused("name-of-no-utf-8", w.Binary(w.Section(w.SectionExport, w.U(1), w.Name("\xff\xfe"), []byte{0, 0})), malformed),
		refused("call-of-no-function", oneFunction(w.Body(nil, w.Call(most))), malformed),
		refused("branch-out-of-the-function", oneFunction(w.Body(nil, w.Br(most))), malformed),
		refused("data-announced-but-missing", w.Binary(w.Section(w.SectionDataCount, w.U(7))), malformed),
		refused("memory-smaller-than-itself", w.Binary(w.Section(w.SectionMemory, repeated(1, 1, 2, 1))), malformed),
		guest{harm: w.Drop}.refused("stack-underflow", "does_not_compile"),
		guest{harm: w.Code(w.F32(1), w.I32(1), w.I32Add, w.Drop)}.refused("operand-of-another-type", "does_not_compile"),
		guest{harm: w.Code(w.I32(1))}.refused("value-too-many", "does_not_compile"),
		guest{harm: w.Code(w.GlobalGet(0), w.Drop)}.refused("global-that-is-not", string(malformed)),
	}
}

// files are no modules, or only a part of one.
func files() []Module {
	whole := guest{}.bytes("cut")
	// Cut within the code section, which is not the last.
	cut := func(part int) []byte { return slices.Clone(whole[:len(whole)*part/10]) }
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	const malformed, notWasm = module.CodeMalformed, module.CodeNotWasm
	return []Module{
		refused("empty", nil, notWasm),
		refused("magic-alone", []byte("\x00asm"), malformed),
		refused("version-2", []byte("\x00asm\x02\x00\x00\x00"), malformed),
		refused("component", []byte("\x00asm\x0d\x00\x01\x00"), module.CodeComponent),
		refused("text", []byte(`(module (func (export "execute") (loop (br 0))))`), notWasm),
		refused("elf", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00"), notWasm),
		refused("random-bytes", noise, notWasm),
		refused("random-bytes-behind-a-header", w.Binary(noise), malformed),
		refused("zeros-behind-a-header", w.Binary(make([]byte, 1<<20)), malformed),
		refused("cut-to-a-tenth", cut(1), malformed),
		refused("cut-in-half", cut(5), malformed),
		refused("cut-near-the-end", cut(9), malformed),
		refused("a-module-twice", slices.Concat(whole, whole), malformed),
	}
}
