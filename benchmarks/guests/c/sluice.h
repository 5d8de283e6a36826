// The native ABI, version 1, as C declares it: guest-sdk/ABI.md says what each function does.
#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>
#include <stdint.h>

#define SLUICE_IMPORT(name) __attribute__((import_module("sluice:host/v1"), import_name(#name)))
#define SLUICE_EXPORT(name) __attribute__((export_name(#name)))

enum { SLUICE_PARAMS = 0, SLUICE_CONTEXT = 1 };

SLUICE_IMPORT(size) int64_t sluice_size(int32_t handle);
SLUICE_IMPORT(read) int32_t sluice_read(int32_t handle, int64_t offset, void *ptr, size_t len);
SLUICE_IMPORT(write) int32_t sluice_write(const void *ptr, size_t len);
SLUICE_IMPORT(answer) int32_t sluice_answer(const void *ptr, size_t len);

#endif
