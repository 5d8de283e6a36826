package module

// What the tests of package module_test share with those of this package.
var (
	WazeroDir      = wazeroDir
	Everything     = everything
	ElementForms04 = elementForms04
	Allocated      = allocated
)
