/* The one thing that is read from a photo's Exif block. */
#ifndef PELLUCID_EXIF_H
#define PELLUCID_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation, 1 to 8, that a TIFF structure states, with or without the "Exif" mark before it; 0 when it states none. */
int exif_orientation(const uint8_t *block, size_t size);

#endif
