/* Debian's libonnx_proto as a second opinion on what a model file says. */
#ifndef PELLUCID_ORACLE_H
#define PELLUCID_ORACLE_H

#ifdef __cplusplus
extern "C" {
#endif

/* A text with one line per node, weight, input and output of the main graph; NULL when the file cannot be parsed. To be freed with
 * oracle_free. */
char *oracle_describe(const char *path);
void oracle_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
