/* Pellucid explains deployed neural networks: ONNX files, in the process that runs them. */
#ifndef PELLUCID_H
#define PELLUCID_H

#include "status.h"
#include "tensor.h"
#include "runtime.h"
#include "model.h"
#include "explain.h"
#include "evaluate.h"
#include "image.h"

#endif
