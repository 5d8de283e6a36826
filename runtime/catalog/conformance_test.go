package catalog_test

import (
	"testing"

	"sluice/runtime/catalog"
	"sluice/runtime/catalog/catalogtest"
)

func TestLocal_Conformance(t *testing.T) {
	catalogtest.Run(t, func(t *testing.T) catalog.Store {
		s, err := catalog.Open(t.TempDir(), catalog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
