import GraftData
import GraftFiles

/// Expands the arguments of a command to a list of image files.
enum ImageFiles {
  /// Keeps files; replaces folders by all images in them and their subfolders, sorted by name.
  ///
  /// - Throws: `GraftError` if a folder has no images. Missing files are reported when they are
  ///   read.
  static func expand(_ arguments: [String]) throws -> [String] {
    try arguments.flatMap { argument -> [String] in
      guard argument != "-", FileSystem.isFolder(argument) else { return [argument] }
      let folder = try DataFolder.onDisk(argument)
      let images = folder.allImages
      let leftOut = folder.allLeftOut
      guard !images.isEmpty else {
        throw GraftError(
          .noInput, "has no images" + (leftOut.total > 0 ? "; it has \(leftOut)" : ""),
          places: [argument])
      }
      CommandLineProgram.note("\(argument): \(leftOut.summary(taken: images.count))")
      return images.map(\.place)
    }
  }
}
