import Testing

import GraftVision

@Suite struct ImageFileKindTests {
  @Test(arguments: [
    "a.jpg", "b.JPEG", "c.jpe", "d.jfif", "e.pjpeg", "f.x.png", "g.PPM", "h.pnm", "i.dib",
  ])
  func readsByExtension(name: String) { #expect(ImageFileKind(fileName: name) == .readable) }

  @Test(arguments: [
    ("a.gif", "GIF"), ("b.TIFF", "TIFF"), ("c.tga", "TGA"), ("d.jp2", "JPEG 2000"),
    ("e.ico", "ICO"),
    ("f.jxl", "JPEG XL"), ("g.avif", "AVIF"), ("h.HEIC", "HEIF"), ("i.svg", "SVG"),
  ])
  func namesWhatIsNotRead(name: String, format: String) {
    #expect(ImageFileKind(fileName: name) == .unreadable(format: format))
  }

  @Test(arguments: ["png", "a.txt", "b.png.csv", "", "."])
  func otherFilesAreNoImages(name: String) { #expect(ImageFileKind(fileName: name) == nil) }
}
