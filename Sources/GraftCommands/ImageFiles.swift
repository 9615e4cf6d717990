import GraftData
import GraftFiles

/// Turns the arguments of a command into a list of image files.
enum ImageFiles {
  /// Files as they are; of folders all images in them and below, by name.
  ///
  /// - Throws: `GraftError` if a folder has no images. Missing files show when they are read.
  static func expand(_ arguments: [String]) throws -> [String] {
    try arguments.flatMap { argument -> [String] in
      guard argument != "-", FileSystem.isFolder(argument) else { return [argument] }
      let folder = try DataFolder.onDisk(argument)
      let images = folder.allImages
      let leftOut = folder.allLeftOut
      guard !images.isEmpty else {
        throw GraftError(
          .noInput, "has no images" + (leftOut.total > 0 ? "; there are \(leftOut)" : ""),
          places: [argument])
      }
      CommandLineProgram.note("\(argument): \(leftOut.summary(taken: images.count))")
      return images.map(\.place)
    }
  }
}
