package module

// charge is a place in a function's code where fuel is taken for the code behind it, and where the checkpoint is called
// when none is left.
type charge struct {
	at    int // in the file: before the instruction that begins there
	units int32
}

// Fuel is counted in units, about an instruction of native code each. What an instruction costs is an estimate from
// above of what it can take, a few units for an access to memory that is in no cache.
const (
	unitsPlain    = 1
	unitsAccess   = 4
	unitsDivision = 8
	unitsCall     = 4
	unitsIndirect = 8
	unitsGrow     = 2000
	unitsBulk     = 8 // and one for bulkUnitBytes

	// freeUnits is how much a function without loops and calls may cost for its callers to pay it.
	freeUnits = 32
	// smallUnits is how much a stretch of code may cost for the region around it to pay it. A check costs more than its
	// instructions: the call in it keeps values from staying in registers.
	smallUnits = 200
	// mergedUnits is how much a region pays at most for small stretches.
	mergedUnits = 2048
	// checkUnits is how much code of one stretch runs without a check.
	checkUnits = 4096
)

// unitsOf is what one instruction costs, without what a call brings with it.
func unitsOf(in *instruction) int32 {
	switch {
	case in.op == opEnd, in.op == opElse:
		return 0
	case in.imm == immMemarg, in.imm == immMemargLane:
		return unitsAccess
	case in.op == opCall:
		return unitsCall
	case in.imm == immIndirect:
		return unitsIndirect + freeUnits // whatever it calls may leave this to its callers
	case in.op == opMemoryGrow, in.op == opTableGrow:
		return unitsGrow
	case isBulk(in.op):
		return unitsBulk
	case isDivision(in.op):
		return unitsDivision
	case in.op>>8 == prefixVector:
		return 2 * unitsPlain
	}
	return unitsPlain
}

// isDivision finds divisions, remainders and square roots.
func isDivision(op opcode) bool {
	return op >= 0x6d && op <= 0x70 || op >= 0x7f && op <= 0x82 || op == 0x91 || op == 0x95 || op == 0x9f || op == 0xa3
}

// planner walks one function and decides where fuel is taken.
//
// Code is divided into regions: a loop's body without the loops inside of it, and the function without its loops. Within
// one pass through its region no instruction runs twice, since only a loop's head can be jumped back to. A region is
// divided into stretches, which begin where control can arrive: at the head, in the branches of an if, and behind blocks
// that are left by a jump. Each stretch is paid when it is entered; one that costs less than paying it is paid with the
// region's head, unless there are so many of them that most are not run in most passes, as in the loop of an interpreter.
// So whatever runs has been paid. Long stretches are divided into pieces.
type planner struct {
	charges []charge
	now     int      // the charge of the stretch being walked, in charges
	regions []region // the open ones, innermost last
	blocks  []plannedBlock
	// late is what was paid before a call that may recurse, for code that runs after it returns, in units.
	late int32
}

// region is one that the walk is in.
type region struct {
	head   int   // its charge, in charges
	merged int32 // what the head pays for small stretches
	// called says that something was called that may call this function: what follows runs when that returns.
	called bool
}

type plannedBlock struct {
	op opcode
	// entered is whether control can arrive at the block's end by a jump.
	entered bool
	// reach is the largest label of a table of jumps within the block, from the block's own end: −1 for none. All blocks up
	// to there count as entered.
	reach int
}

func (p *planner) begin(at int) {
	p.charges, p.regions, p.late = p.charges[:0], p.regions[:0], 0
	p.blocks = append(p.blocks[:0], plannedBlock{op: opBlock, reach: -1})
	p.head(at)
}

// head begins a region.
func (p *planner) head(at int) {
	p.stretch(at)
	p.regions = append(p.regions, region{head: p.now})
}

// stretch ends the stretch being walked, and begins another one.
func (p *planner) stretch(at int) {
	p.settle()
	p.now = len(p.charges)
	p.charges = append(p.charges, charge{at: at})
}

// settle has a small stretch paid by the region's head, as long as that does not pay for too many.
func (p *planner) settle() {
	if len(p.regions) == 0 {
		return
	}
	c, r := &p.charges[p.now], &p.regions[len(p.regions)-1]
	if p.now != r.head && c.units <= smallUnits && r.merged+c.units <= mergedUnits {
		r.merged += c.units
		if r.called {
			p.late += c.units
		}
		p.charges[r.head].units += c.units
		c.units = 0
	}
}

// pay adds an instruction, which ends at next, to the stretch being walked. Long stretches are divided.
func (p *planner) pay(units int32, next int) {
	if p.charges[p.now].units += units; p.charges[p.now].units >= checkUnits {
		p.stretch(next)
	}
}

// follow goes over one instruction, behind which the code goes on at next.
func (p *planner) follow(in *instruction, next int) {
	switch in.op {
	case opBlock, opIf, opLoop:
		p.blocks = append(p.blocks, plannedBlock{op: in.op, entered: in.op == opIf, reach: -1})
		if in.op == opLoop {
			p.head(next)
		} else if in.op == opIf {
			p.stretch(next)
		}
	case opElse:
		p.stretch(next)
	case opEnd:
		p.end(next)
	}
}

// end closes the innermost block.
func (p *planner) end(next int) {
	last := len(p.blocks) - 1
	b := p.blocks[last]
	p.blocks = p.blocks[:last]
	if last > 0 {
		p.blocks[last-1].reach = max(p.blocks[last-1].reach, b.reach-1)
	}
	switch {
	case b.op == opLoop:
		p.settle()
		called := p.regions[len(p.regions)-1].called
		p.regions = p.regions[:len(p.regions)-1]
		outer := &p.regions[len(p.regions)-1]
		outer.called = outer.called || called
		p.now = len(p.charges)
		p.charges = append(p.charges, charge{at: next})
	case b.entered, b.reach >= 0:
		p.stretch(next)
	}
}

// call notes a call that may recurse. What is behind it is a stretch of its own: many frames may return to theirs one
// after the other, without a check in between but those of stretches.
func (p *planner) call(next int) {
	p.stretch(next)
	p.regions[len(p.regions)-1].called = true
}

// jump notes that the block of a label can be left by a jump. The label may be the function itself.
func (p *planner) jump(label uint32) {
	p.blocks[len(p.blocks)-1-int(label)].entered = true
}

// jumpTable notes that the block of every label up to the largest one can be left by a jump.
func (p *planner) jumpTable(largest uint32) {
	top := &p.blocks[len(p.blocks)-1]
	top.reach = max(top.reach, int(largest))
}
