package abi

import "unsafe"

//go:wasmimport sluice:host/v1 secret
//go:noescape
func hostSecret(namePtr unsafe.Pointer, nameLen uint32, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 secret_value
//go:noescape
func hostSecretValue(namePtr unsafe.Pointer, nameLen uint32) int32

//go:wasmimport sluice:host/v1 hmac
//go:noescape
func hostHMAC(namePtr unsafe.Pointer, nameLen uint32, algorithmPtr unsafe.Pointer, algorithmLen uint32, ptr unsafe.Pointer, n uint32) int32

func (native) Secret(name string, p []byte) int32 {
	ptr, n := at(p)
	return hostSecret(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), ptr, n)
}

func (native) SecretValue(name string) int32 {
	return hostSecretValue(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
}

func (native) HMAC(secret, algorithm string, data []byte) int32 {
	ptr, n := at(data)
	return hostHMAC(unsafe.Pointer(unsafe.StringData(secret)), uint32(len(secret)),
		unsafe.Pointer(unsafe.StringData(algorithm)), uint32(len(algorithm)), ptr, n)
}
