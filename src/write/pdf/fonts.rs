//! The typefaces inside the program: what a letter looks like, and how wide it is.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use ttf_parser::Face as Outlines;

/// Letters that are looked up in a table and not in the font.
const COMMON: usize = 0x250;

/// A typeface.
struct Face {
    font: Font,
    outlines: Outlines<'static>,
    units: f32,
}

/// A letter: its face, its place there, its width, in em.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Letter {
    face: usize,
    glyph: u16,
    advance: f32,
}

/// The typefaces, in the order in which a letter is looked for.
pub(super) struct Fonts {
    faces: Vec<Face>,
    common: Vec<Letter>,
    unknown: Letter,
    /// For the texts of charts.
    pub(super) database: std::sync::Arc<usvg::fontdb::Database>,
}

/// A run of letters of one face.
pub(super) struct Run {
    pub(super) font: Font,
    pub(super) glyphs: Vec<KrillaGlyph>,
    /// Its width, in em.
    pub(super) advance: f32,
}

const FACES: [&[u8]; 3] = [
    epaint_default_fonts::UBUNTU_LIGHT,
    epaint_default_fonts::HACK_REGULAR,
    epaint_default_fonts::NOTO_EMOJI_REGULAR,
];

impl Fonts {
    /// # Errors
    /// A fault of the build: bytes that are no font.
    pub(super) fn new() -> Result<Self, String> {
        let face = |bytes: &'static [u8]| -> Result<Face, String> {
            let outlines = Outlines::parse(bytes, 0).map_err(|error| error.to_string())?;
            let font = Font::new(bytes.into(), 0).ok_or("a typeface cannot be read")?;
            Ok(Face { font, units: f32::from(outlines.units_per_em()), outlines })
        };
        let faces: Vec<Face> = FACES.into_iter().map(face).collect::<Result<_, _>>()?;
        let mark = ['\u{fffd}', '?'].into_iter().find_map(|mark| find(&faces, mark));
        let unknown = mark.ok_or("no typeface has a question mark")?;
        let common = (0..COMMON as u32)
            .map(|code| char::from_u32(code).and_then(|c| find(&faces, c)).unwrap_or(unknown))
            .collect();
        Ok(Self { faces, common, unknown, database: database().into() })
    }

    fn letter(&self, letter: char) -> Letter {
        let letter = if letter.is_whitespace() || letter.is_control() { ' ' } else { letter };
        match self.common.get(letter as usize) {
            Some(known) => *known,
            None => find(&self.faces, letter).unwrap_or(self.unknown),
        }
    }

    /// Width of a letter, in em.
    pub(super) fn advance(&self, letter: char) -> f32 {
        self.letter(letter).advance
    }

    /// Width of a text, in em.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|letter| self.advance(letter)).sum()
    }

    /// The letters of a text by face.
    pub(super) fn runs(&self, text: &str) -> Vec<Run> {
        let mut runs: Vec<(usize, Run)> = Vec::new();
        for (at, c) in text.char_indices() {
            let Letter { face, glyph, advance } = self.letter(c);
            if runs.last().is_none_or(|(last, _)| *last != face) {
                let font = self.faces[face].font.clone();
                runs.push((face, Run { font, glyphs: Vec::new(), advance: 0.0 }));
            }
            let Some((_, run)) = runs.last_mut() else { continue };
            let glyph = GlyphId::new(u32::from(glyph));
            let range = at..at + c.len_utf8();
            run.glyphs.push(KrillaGlyph::new(glyph, advance, 0.0, 0.0, 0.0, range, None));
            run.advance += advance;
        }
        runs.into_iter().map(|(_, run)| run).collect()
    }
}

fn find(faces: &[Face], letter: char) -> Option<Letter> {
    faces.iter().enumerate().find_map(|(place, face)| {
        let glyph = face.outlines.glyph_index(letter)?;
        let advance = face.outlines.glyph_hor_advance(glyph)?;
        Some(Letter { face: place, glyph: glyph.0, advance: f32::from(advance) / face.units })
    })
}

/// The same typefaces for whatever family a chart names: none of the system is looked at.
fn database() -> usvg::fontdb::Database {
    let mut database = usvg::fontdb::Database::new();
    for face in FACES {
        database.load_font_data(face.to_vec());
    }
    let first = database.faces().next().and_then(|face| face.families.first().cloned());
    if let Some((family, _)) = first {
        database.set_sans_serif_family(&family);
        database.set_serif_family(&family);
        database.set_monospace_family(&family);
        database.set_cursive_family(&family);
        database.set_fantasy_family(family);
    }
    database
}
