/* Status codes, error messages and the version of the library.
 *
 * Conventions of every header in this folder:
 *   - A call that can fail returns pellucid_status: 0 on success, a negative code otherwise. Its outputs come first
 *     and are set to NULL when it fails.
 *   - Strings are UTF-8 and NUL-terminated. Strings and arrays that the library returns live as long as the object
 *     they were asked of, and are never freed by the caller.
 *   - Release functions accept NULL and never fail.
 *   - Every call may be made from any thread. Distinct objects may be used at the same time; a runtime, a model, a
 *     tensor and a result may also be shared by several threads. An options object belongs to one thread at a time.
 *   - Handles say what they are: one of another kind, or one that was released, is refused (PELLUCID_E_INVALID), as far as
 *     its memory has not been given to another handle of the same kind. Releasing such a handle does nothing.
 *   - Beside each declaration: Owner, of what it returns; Threads, that may call it; Errors, its likely codes without
 *     PELLUCID_E_; Since, the version it appeared in. docs/ownership.md puts them together.
 *   - Transparent structs begin with struct_size; fill it by the struct's _INIT macro. The library reads and writes
 *     only the members that struct_size covers.
 *   - The library prints nothing, installs no signal handler, starts no thread that outlives its runtime, and leaves
 *     locale, floating-point environment and the settings of other libraries alone.
 */
#ifndef PELLUCID_STATUS_H
#define PELLUCID_STATUS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PELLUCID_API __attribute__((visibility("default")))
#else
#define PELLUCID_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t pellucid_status;

enum {
    PELLUCID_OK = 0,
    PELLUCID_E_FAILED = -1,      /* an error without a code of its own */
    PELLUCID_E_INVALID = -2,     /* an argument or option is not acceptable */
    PELLUCID_E_NOTFOUND = -3,    /* no value, method, option or file of that name */
    PELLUCID_E_UNSUPPORTED = -4, /* valid, but this library or model cannot do it */
    PELLUCID_E_PARSE = -5,       /* a file is damaged or not of the expected format */
    PELLUCID_E_SHAPE = -6,       /* tensor shapes or element types do not fit together */
    PELLUCID_E_MEMORY = -7,      /* out of memory, or over the memory limit that was set */
    PELLUCID_E_BACKEND = -8,     /* a backend plugin failed or was refused */
    PELLUCID_E_CANCELLED = -9,   /* the progress callback or the cancel flag ended the call, or its deadline came before it had anything
                                    to give; the message tells which. A method that samples gives what it has at the deadline */
    PELLUCID_E_IO = -10,         /* a file could not be read or written */
    PELLUCID_E_CALLBACK = -11    /* a callback of the caller reported failure */
};

/* Version of the library as text, "major.minor.patch". Never NULL.
 * Owner: the library, for ever. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_version(void);

/* Version as one number: major * 10000 + minor * 100 + patch.
 * Threads: any. Since 0.1 */
PELLUCID_API uint32_t pellucid_version_number(void);

/* Message of the last call on this thread that failed: names the thing, what was expected and what was found.
 * Never NULL; empty after a call that succeeded. Valid until the next call on the same thread.
 * Owner: the library. Threads: each has its own. Since 0.1 */
PELLUCID_API const char *pellucid_error_message(void);

/* Name of a status code, as "PELLUCID_E_SHAPE". Never NULL.
 * Owner: the library, for ever. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_status_name(pellucid_status status);

#ifdef __cplusplus
}
#endif
#endif
