/* Images in and out: decoding, preparing network inputs, drawing heat maps over photos.
 * An image is a uint8 tensor of height x width x 3 (RGB). */
#ifndef PELLUCID_IMAGE_H
#define PELLUCID_IMAGE_H

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Decodes a file that lies in memory, told by its first bytes:
 *   PNG   any depth and colour type, interlaced or not
 *   JPEG  baseline and progressive; RGB, grey, CMYK and YCCK
 *   WebP  lossy and lossless, where the library was built with libwebp; no animations
 * EXIF orientation is applied, transparency is blended over white, colour profiles are ignored. A damaged or truncated file
 * is an error, never a partial picture. Options:
 *   max_pixels  int  what a file may claim, checked before memory is taken; default 100,000,000
 * options may be NULL.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, PARSE, UNSUPPORTED, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_decode(pellucid_tensor **out, const void *bytes, size_t size,
                                                   const pellucid_options *options);

/* What the network sees of an image: resized and cropped, still height x width x 3 uint8. Options:
 *   preset  text  where the other options come from: "imagenet" (default), "lite", "inception", "clip", "caffe", "unit", "raw"
 *   size    text  "224" or "224,224" (height,width) of the result; default 224
 *   framing text  "crop": the shorter side is resized, the centre cut out; "stretch": all of the image, out of shape;
 *                 "pad": all of the image, with borders (a letter box); default of the preset
 *   resize  int   length of the shorter side before the centre crop; 0: stretch; default of the preset
 *   filter  text  "bilinear", "bicubic", "lanczos", "hamming", "box", "nearest"; default of the preset; antialiased and rounded as
 *                 by Pillow 13
 *   fill    text  colour of the borders, one or three numbers from 0 to 255; default 0
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, SHAPE, UNSUPPORTED, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_fit(pellucid_tensor **out, const pellucid_tensor *image, const pellucid_options *options);

/* Network input from an image: fit, then (pixel / scale - mean) / std. The options of pellucid_image_fit, and
 *   scale     real  default of the preset
 *   mean, std text  one or three numbers, in the order of the result's channels; default of the preset
 *   order     text  "rgb" or "bgr"; default of the preset
 *   layout    text  "nchw" (default) or "nhwc"
 *   channels  int   3 (default), or 1: brightness (ITU-R 601), with the average of three means and deviations
 * The result is float32 with a batch axis of 1.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: as pellucid_image_fit. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_preprocess(pellucid_tensor **out, const pellucid_tensor *image, const pellucid_options *options);

/* A heat map (any real type; rank 2, or higher with leading axes of 1; three channels are summed as absolute values) over an image:
 *   colormap   text  "turbo" (default), "viridis", "inferno", "rdbu" (default for signed maps), "gray"
 *   alpha      real  opacity of the colours, 0 to 1; default 0.5
 *   blend      text  "fade" (default: weak colours are transparent), "uniform", "multiply", "spotlight" (no colours: the image is
 *                    dark where the map is weak)
 *   signed     text  "auto" (default: signed when the map has negative values), "true", "false"
 *   percentile real  the value drawn as strongest; default 99.5 of absolute values
 *   limit      real  that value itself, so that pictures share a scale
 *   interp     text  "bilinear" (default, half-pixel), "corners" (bilinear, corner-aligned), "nearest", "bicubic"
 *   contours   text  lines at these shares of the strongest value, as "0.25,0.5,0.75"; default none
 *   legend     text  a colour bar with numbers and this label below the image; "" for a bar without a label; default none
 *   caption    text  words above the image; default none
 * NaN is transparent; infinite elements count as the largest finite one. The result has the image's size, and more for legend
 * and caption. image may be NULL: the colours alone, at the map's size.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: as pellucid_image_fit. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_overlay(pellucid_tensor **out, const pellucid_tensor *image,
                                                    const pellucid_tensor *heat, const pellucid_options *options);

/* A map's numbers at another size: its last two axes resized, the result float32. Neighbours are interpolated, nothing is averaged
 * when shrinking (as torch.nn.functional.interpolate). Options:
 *   size    text  "224" or "224,320" (height,width) of the result; needed
 *   interp  text  "bilinear" (default, half-pixel), "corners" (bilinear, corner-aligned), "nearest", "bicubic"
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: as pellucid_image_fit. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_upsample(pellucid_tensor **out, const pellucid_tensor *map, const pellucid_options *options);

/* Receives encoded bytes; non-zero ends the call with PELLUCID_E_CALLBACK. */
typedef int32_t (*pellucid_write_fn)(const void *bytes, size_t size, void *payload);
/* Encodes an image, equal pixels as equal bytes; format "png", or "jpeg" (quality 92, colours at full resolution).
 * Owner: bytes are lent to write for one call. Threads: any. Errors: INVALID, UNSUPPORTED, MEMORY, CALLBACK. Since 0.1 */
PELLUCID_API pellucid_status pellucid_image_encode(const pellucid_tensor *image, const char *format,
                                                   pellucid_write_fn write, void *payload);

#ifdef __cplusplus
}
#endif
#endif
