package module

import "strconv"

// allTypes is the module's types and those that were added.
func (w *rewriter) allTypes() []byte {
	n := w.at(SectionType)
	out := append(appendU32(nil, uint32(n+len(w.types))), w.rest()...)
	for _, t := range w.types {
		out = append(out, t...)
	}
	return out
}

// imports is the module's imports and the checkpoint.
func (w *rewriter) imports() []byte {
	t := w.typeIndex(FuncType{})
	n := w.at(SectionImport)
	out := append(appendU32(nil, uint32(n+1)), w.rest()...)
	out = appendVector(out, []byte(ModuleMeter))
	out = appendVector(out, []byte(FunctionCheckpoint))
	return appendU32(append(out, byte(KindFunction)), t)
}

// functions is the types of the module's functions and of the helpers.
func (w *rewriter) functions() []byte {
	types := make([]uint32, len(w.helpers))
	for i, h := range w.helpers {
		types[i] = w.typeIndex(w.helperType(h))
	}
	n := w.at(SectionFunction)
	out := append(appendU32(nil, uint32(n+len(types))), w.rest()...)
	for _, t := range types {
		out = appendU32(out, t)
	}
	return out
}

// memory is the module's memory with a maximum of one page more than it may use.
func (w *rewriter) memory() []byte {
	if len(w.m.Memories) == 0 || w.m.ImportedMemories > 0 {
		return nil
	}
	out := []byte{1, 1} // one memory, with a maximum
	out = appendU32(out, w.m.Memories[0].Initial)
	return appendU32(out, min(w.out.MemoryMax+1, maxPages))
}

// globals is the module's globals and the two that the meter counts with.
func (w *rewriter) globals() []byte {
	n := w.at(SectionGlobal)
	out := appendU32(nil, uint32(n+2))
	for range n {
		out = append(out, w.take(2)...) // type and mutability
		out = w.constantExpression(out)
	}
	for range 2 {
		out = append(out, byte(I32), 1, byte(opI32Const), 0, byte(opEnd))
	}
	return out
}

// constantExpression copies a constant expression, with functions where they are now.
func (w *rewriter) constantExpression(out []byte) []byte {
	var in instruction
	for in.op = opNop; in.op != opEnd; {
		w.instruction(&in)
		if in.op == opRefFunc {
			out = appendU32(append(out, byte(opRefFunc)), w.moved(in.x))
			continue
		}
		out = append(out, w.b[in.at:w.pos]...)
	}
	return out
}

// exports is the module's exports, and what the host must reach besides.
func (w *rewriter) exports() []byte {
	n := w.at(SectionExport)
	var added []byte
	add := func(name string, kind Kind, index uint32) string {
		name = w.hidden(name)
		added = appendVector(added, []byte(name))
		added = appendU32(append(added, byte(kind)), index)
		n++
		return name
	}
	for i, g := range w.m.Globals {
		if i >= w.m.ImportedGlobals && g.Mutable && !g.Type.reference() && g.Type != V128 {
			w.out.Globals = append(w.out.Globals, add("global:"+strconv.Itoa(i), KindGlobal, uint32(i)))
		}
	}
	w.out.Fuel = add("fuel", KindGlobal, w.fuelGlobal())
	w.out.Depth = add("depth", KindGlobal, w.depthGlobal())
	if w.m.HasStart {
		w.out.Start = add("start", KindFunction, w.start)
	}
	out := appendU32(nil, uint32(n))
	for _, e := range w.m.Exports {
		out = appendVector(out, []byte(e.Name))
		out = append(out, byte(e.Kind))
		if e.Kind == KindFunction {
			out = appendU32(out, w.moved(e.Index))
		} else {
			out = appendU32(out, e.Index)
		}
	}
	return append(out, added...)
}

// elements is the module's element segments, with functions where they are now.
func (w *rewriter) elements() []byte {
	n := w.at(SectionElement)
	if n == 0 {
		return nil
	}
	out := appendU32(nil, uint32(n))
	for range n {
		flags := w.u32()
		out = appendU32(out, flags)
		if flags&elementPassive == 0 {
			if flags&elementExplicit != 0 {
				out = appendU32(out, w.u32()) // the table
			}
			out = w.constantExpression(out)
		}
		if flags&(elementPassive|elementExplicit) != 0 {
			out = append(out, w.byte()) // the kind or type
		}
		items := w.u32()
		out = appendU32(out, items)
		for range items {
			if flags&elementExpressions != 0 {
				out = w.constantExpression(out)
			} else {
				out = appendU32(out, w.moved(w.u32()))
			}
		}
	}
	return out
}

// dataCount is the data count section as it is, where segments keep their indices.
func (w *rewriter) dataCount() []byte {
	s, ok := w.m.Section(SectionDataCount)
	if !ok || !w.m.namesData {
		return nil
	}
	return w.b[s.Body:s.End]
}

// dataSegments is the module's data segments. Active ones are taken out. Where an instruction names a segment, one of no
// bytes remains of each, which keeps the indices of the others; elsewhere nothing does, since every instance would hold
// them, and some modules have a hundred thousand. One whose offset only an imported global knows is left as it is; no
// ABI offers any.
func (w *rewriter) dataSegments() []byte {
	n := w.at(SectionData)
	var out []byte
	kept := 0
	keep := func(segment ...byte) {
		out = append(out, segment...)
		kept++
	}
	for range n {
		begin := w.pos
		flags := w.u32()
		if flags == 1 { // passive
			w.take(int(w.u32()))
			if w.m.namesData {
				keep(w.b[begin:w.pos]...)
			}
			continue
		}
		if flags == 2 {
			w.u32() // the memory
		}
		var offset, end instruction
		w.instruction(&offset)
		w.instruction(&end)
		contents := w.take(int(w.u32()))
		if offset.op != opI32Const {
			keep(w.b[begin:w.pos]...)
			continue
		}
		w.out.Data = append(w.out.Data, Data{Offset: uint32(offset.k), Bytes: contents})
		if w.m.namesData {
			keep(0, byte(opI32Const), 0, byte(opEnd), 0)
		}
	}
	if kept == 0 {
		return nil
	}
	return append(appendU32(nil, uint32(kept)), out...)
}
