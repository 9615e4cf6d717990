/// The kind of an image file by its extension: one table for folders, archives and lists.
///
/// The content decides how a file is read. The name only decides whether to read it, and what to
/// call it otherwise.
package enum ImageFileKind: Sendable, Hashable {
  /// An image that Graft decodes.
  case readable
  /// An image of a format that Graft does not decode, such as `GIF`.
  case unreadable(format: String)

  /// `nil` for names of files other than images.
  package init?(fileName: some StringProtocol) {
    guard let dot = fileName.lastIndex(of: "."),
      let kind = Self.kinds[fileName[fileName.index(after: dot)...].lowercased()]
    else { return nil }
    self = kind
  }

  /// The supported formats, for messages.
  package static let readableFormats = "JPEG, PNG, WebP, BMP and PNM"

  private static let readableExtensions = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "png", "apng", "webp", "bmp", "dib", "ppm",
    "pgm", "pbm", "pnm",
  ]

  private static let unreadableExtensions = [
    "AVIF": ["avif", "avifs"],
    "camera raw": ["dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"],
    "DDS": ["dds"], "DICOM": ["dcm"], "GIF": ["gif"], "GIMP": ["xcf"],
    "HEIF": ["heic", "heif", "heics", "hif"], "ICO": ["ico", "cur"],
    "JPEG 2000": ["jp2", "j2k", "jpf", "jpx", "j2c", "jpc"], "JPEG XL": ["jxl"],
    "OpenEXR": ["exr"], "PAM": ["pam"], "PCX": ["pcx"], "PFM": ["pfm"], "Photoshop": ["psd"],
    "QOI": ["qoi"], "SVG": ["svg"], "TGA": ["tga"], "TIFF": ["tif", "tiff"], "XPM": ["xpm"],
  ]

  private static let kinds: [String: ImageFileKind] = {
    var kinds: [String: ImageFileKind] = [:]
    for name in readableExtensions { kinds[name] = .readable }
    for (format, names) in unreadableExtensions {
      for name in names { kinds[name] = .unreadable(format: format) }
    }
    return kinds
  }()
}
