#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

/* Debian's archives of the image libraries are made for programs: they address stderr directly, which a shared library
 * cannot allow. When libpellucid.so is linked (Package.swift, --defsym) they get this variable in its place; nothing
 * outside sees it. Decoders never write to it, as each has its own error handlers; for whatever else is linked in, such as
 * the Swift runtime's last words, it is the stream that the process has. */
__attribute__((visibility("hidden"))) FILE *support_standard_error;

__attribute__((constructor(101))) static void find_standard_error(void) {
    FILE **found = dlsym(RTLD_DEFAULT, "stderr");
    support_standard_error = found ? *found : NULL;
}
