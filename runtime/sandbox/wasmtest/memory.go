package wasmtest

// Operands of instructions on memory and tables are i32: a destination, then a source or value, then a length.

// MemoryFill and MemoryCopy are instructions without further operands.
var (
	MemoryFill = []byte{0xfc, 11, 0}
	MemoryCopy = []byte{0xfc, 10, 0, 0}
)

// MemoryInit copies from a passive data segment.
func MemoryInit(segment int) []byte { return join([]byte{0xfc, 8}, U(segment), []byte{0}) }

// DataDrop gives up a passive data segment.
func DataDrop(segment int) []byte { return join([]byte{0xfc, 9}, U(segment)) }

// TableInit copies from a passive element segment to a table.
func TableInit(segment, table int) []byte { return join([]byte{0xfc, 12}, U(segment), U(table)) }

// ElemDrop gives up a passive element segment.
func ElemDrop(segment int) []byte { return join([]byte{0xfc, 13}, U(segment)) }

// TableCopy copies within a table.
func TableCopy(table int) []byte { return join([]byte{0xfc, 14}, U(table), U(table)) }

// TableGrow takes the value of new elements and their number; its result is the old size, or −1.
func TableGrow(table int) []byte { return join([]byte{0xfc, 15}, U(table)) }

// TableFill fills elements of a table.
func TableFill(table int) []byte { return join([]byte{0xfc, 17}, U(table)) }

// TableSet sets an element of a table.
func TableSet(table int) []byte { return join([]byte{0x26}, U(table)) }

// TableGet reads an element of a table.
func TableGet(table int) []byte { return join([]byte{0x25}, U(table)) }

// RefNull is a null of a reference type, r or x.
func RefNull(typ byte) []byte { return join([]byte{0xd0}, valueTypes(string(typ))) }

// RefFunc is a reference to a function.
func RefFunc(function int) []byte { return join([]byte{0xd2}, U(function)) }

// I32Load and I32Store go to the address on the stack plus an offset.
func I32Load(offset int) []byte { return join([]byte{0x28, 0}, U(offset)) }

// I32Store is as I32Load says; the value is above the address.
func I32Store(offset int) []byte { return join([]byte{0x36, 0}, U(offset)) }
