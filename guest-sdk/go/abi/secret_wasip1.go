package abi

import "unsafe"

//go:wasmimport sluice:host/v1 secret
//go:noescape
func hostSecret(namePtr unsafe.Pointer, nameLen uint32, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 secret_value
//go:noescape
func hostSecretValue(namePtr unsafe.Pointer, nameLen uint32) int32

func (native) Secret(name string, p []byte) int32 {
	ptr, n := at(p)
	return hostSecret(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), ptr, n)
}

func (native) SecretValue(name string) int32 {
	return hostSecretValue(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
}
