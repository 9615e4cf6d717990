import Foundation
import GraftTensor

/// Turns the arguments of a command into a list of picture files.
enum PictureFiles {
  private static let extensions: Set<String> = ["jpg", "jpeg", "png", "webp", "bmp"]

  /// Files as they are; of folders all pictures in them and below, by name.
  ///
  /// - Throws: `GraftError` if a folder has no pictures. Missing files show when they are read.
  static func expand(_ arguments: [String]) throws -> [String] {
    try arguments.flatMap { argument -> [String] in
      var isFolder: ObjCBool = false
      guard argument != "-",
        FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder), isFolder.boolValue
      else { return [argument] }
      let found = (FileManager.default.enumerator(atPath: argument)?.allObjects ?? [])
        .compactMap { $0 as? String }
        .filter { path in
          extensions.contains((path as NSString).pathExtension.lowercased())
            && !path.split(separator: "/").contains { $0.hasPrefix(".") }
        }
      guard !found.isEmpty else {
        throw GraftError(.noInput, "has no pictures", places: [argument])
      }
      return found.sorted().map { (argument as NSString).appendingPathComponent($0) }
    }
  }
}
