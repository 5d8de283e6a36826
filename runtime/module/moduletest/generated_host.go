package moduletest

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ProvideGenerated adds what generated modules import to a World. Each call of it adds a line to the World's Trace.
func (w *World) ProvideGenerated(ctx context.Context) error {
	return w.Provide(ctx, GeneratedHost, func(b wazero.HostModuleBuilder) {
		for i, t := range hostTypes {
			params, results := apiTypes(t.params), apiTypes(t.results)
			b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
				args := canonical(stack[:len(params)], params)
				w.Trace = append(w.Trace, fmt.Sprintf("%d%#x", i, args))
				sum := uint64(i)
				for _, a := range args {
					sum = sum*31 + a
				}
				for n := range results {
					stack[n] = canonicalValue(results[n], sum>>n)
					if results[n] == api.ValueTypeF32 {
						stack[n] = api.EncodeF32(float32(uint16(sum)))
					}
				}
			}), params, results).Export(fmt.Sprint(i))
		}
	})
}

func apiTypes(text string) []api.ValueType {
	types := make([]api.ValueType, len(text))
	for i := range len(text) {
		types[i] = api.ValueType(letters[text[i]])
	}
	return types
}
