import Testing

import GraftVision

@Suite struct ImageFileKindTests {
  @Test(arguments: [
    "a.jpg", "b.JPEG", "c.jpe", "d.jfif", "e.pjpeg", "f.x.png", "g.PPM", "h.pnm", "i.dib", "j.gif",
    "k.TIFF", "l.tif", "m.jp2", "n.j2k", "o.avif", "p.HEIC",
  ])
  func readsByExtension(name: String) { #expect(ImageFileKind(fileName: name) == .readable) }

  @Test(arguments: [
    ("c.tga", "TGA"), ("e.ico", "ICO"), ("f.jxl", "JPEG XL"), ("i.svg", "SVG"),
    ("j.PSD", "Photoshop"),
  ])
  func namesWhatIsNotRead(name: String, format: String) {
    #expect(ImageFileKind(fileName: name) == .unreadable(format: format))
  }

  @Test(arguments: ["png", "a.txt", "b.png.csv", "", "."])
  func otherFilesAreNoImages(name: String) { #expect(ImageFileKind(fileName: name) == nil) }
}
