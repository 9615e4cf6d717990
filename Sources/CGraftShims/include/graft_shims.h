#ifndef GRAFT_SHIMS_H
#define GRAFT_SHIMS_H

// One header per library that Swift cannot import itself.
#include "graft_arguments.h"
#include "graft_curl.h"
#include "graft_embedded.h"
#include "graft_hdf5.h"
#include "graft_heif.h"
#include "graft_interruption.h"
#include "graft_jpeg.h"
#include "graft_jpeg2000.h"
#include "graft_png.h"
#include "graft_tiff.h"

#endif
