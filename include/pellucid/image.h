/* Images in and out: decoding, preparing network inputs, drawing heat maps over photos.
 * An image is a uint8 tensor of height x width x 3 (RGB). */
#ifndef PELLUCID_IMAGE_H
#define PELLUCID_IMAGE_H

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Decodes PNG (any depth; alpha is blended over white) or JPEG (EXIF orientation applied).
 * Option "max_pixels" (default 100,000,000) bounds what a file may claim. options may be NULL. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_decode(pellucid_tensor **out, const void *bytes, size_t size,
                                                   const pellucid_options *options);

/* What the network sees of an image: resized and cropped, still height x width x 3 uint8. Options:
 *   preset  text  where the other options come from: "imagenet" (default), "lite", "inception", "caffe", "unit", "raw"
 *   size    text  "224" or "224,224" (height,width) of the result; default 224
 *   resize  int   length of the shorter side before the centre crop; 0: resize straight to size; default of the preset
 *   filter  text  "bilinear", "bicubic", "lanczos", "nearest", "box"; default of the preset; antialiased as in Pillow
 * Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_fit(pellucid_tensor **out, const pellucid_tensor *image, const pellucid_options *options);

/* Network input from an image: fit, then (pixel / scale - mean) / std. The options of pellucid_image_fit, and
 *   scale   real  default of the preset
 *   mean, std  text  one or three numbers, default of the preset
 *   order   text  "rgb" or "bgr"
 *   layout  text  "nchw" (default) or "nhwc"
 * The result is float32 with a batch axis of 1. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_preprocess(pellucid_tensor **out, const pellucid_tensor *image, const pellucid_options *options);

/* A heat map (any real type; rank 2, or higher with leading axes of 1; three channels are summed as absolute values) over an image:
 *   colormap  text  "turbo" (default), "viridis", "inferno", "rdbu" (signed), "gray"
 *   alpha     real  opacity of the colours, 0 to 1; default 0.5
 *   signed    text  "auto" (default: signed when the map has negative values), "true", "false"
 *   percentile real the value drawn as strongest; default 99.5 of absolute values
 *   interp    text  "bilinear" (default, half-pixel), "nearest", "bicubic"
 * The result has the image's size. image may be NULL: the colours alone, at the map's size. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_overlay(pellucid_tensor **out, const pellucid_tensor *image,
                                                    const pellucid_tensor *heat, const pellucid_options *options);

/* Receives encoded bytes; non-zero ends the call with PELLUCID_E_CALLBACK. */
typedef int32_t (*pellucid_write_fn)(const void *bytes, size_t size, void *payload);
/* Encodes an image; format "png". Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_encode(const pellucid_tensor *image, const char *format,
                                                   pellucid_write_fn write, void *payload);

#ifdef __cplusplus
}
#endif
#endif
