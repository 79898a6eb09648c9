//! Laid-out sheets to the bytes of a document.

use std::num::NonZeroU16;

use krilla::{
    Document,
    annotation::{Annotation, LinkAnnotation, Target},
    color::rgb,
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect, Size, Transform},
    metadata::Metadata,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
    tagging::{
        Artifact, ArtifactType, ContentTag, Identifier, ListNumbering, Node, TableHeaderScope, Tag,
        TagGroup, TagKind, TagTree,
    },
};
use krilla_svg::{SurfaceExt, SvgSettings};

use super::{
    flow::{Ink, Item, Layout, Role, Sheet, Style},
    fonts::Fonts,
};
use crate::page::Page;

/// How far the outline of bold letters goes over them [of their size].
const BOLDER: f32 = 0.035;

impl Ink {
    fn color(self) -> rgb::Color {
        match self {
            Self::Text => rgb::Color::new(33, 37, 41),
            Self::Soft => rgb::Color::new(92, 99, 106),
            Self::Link => rgb::Color::new(0, 84, 147),
            Self::Line => rgb::Color::new(173, 181, 189),
            Self::Shade => rgb::Color::new(244, 246, 248),
        }
    }
}

/// The bytes.
///
/// # Errors
/// What the writer says; nothing in a layout is known to cause it.
pub(super) fn document(page: &Page, fonts: &Fonts, layout: &Layout) -> Result<Vec<u8>, String> {
    let mut document = Document::new();
    let mut tags = Tags::default();
    for sheet in &layout.sheets {
        write(&mut document, sheet, layout, fonts, &mut tags)?;
    }
    document.set_outline(outline(layout));
    document.set_tag_tree(TagTree::from(tags.done).with_lang(Some("en".into())));
    let about = Metadata::new()
        .title(page.title.clone())
        .description(page.cost_metric.clone())
        .creator("runrate".into())
        .producer("krilla".into())
        .language("en".into());
    document.set_metadata(about);
    document.finish().map_err(|error| format!("the PDF cannot be written: {error:?}"))
}

/// Parts that are open, and those that are whole.
#[derive(Default)]
struct Tags {
    open: Vec<TagGroup>,
    done: Vec<Node>,
}

impl Tags {
    fn push(&mut self, node: impl Into<Node>) {
        match self.open.last_mut() {
            Some(group) => group.push(node),
            None => self.done.push(node.into()),
        }
    }

    fn close(&mut self) {
        if let Some(group) = self.open.pop() {
            self.push(group);
        }
    }
}

fn kind(role: &Role) -> TagKind {
    match role {
        Role::Heading(level, title) => {
            let level = NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN);
            Tag::Hn(level, Some(title.clone())).into()
        }
        Role::Paragraph => Tag::P.into(),
        Role::List => Tag::L(ListNumbering::Disc).into(),
        Role::Point => Tag::LI.into(),
        Role::PointBody => Tag::LBody.into(),
        Role::Table => Tag::Table.into(),
        Role::Row => Tag::TR.into(),
        Role::Head => Tag::TH(TableHeaderScope::Column).into(),
        Role::Cell => Tag::TD.into(),
        Role::Figure(alt) => Tag::Figure(Some(alt.clone())).into(),
    }
}

fn write(
    document: &mut Document,
    sheet: &Sheet,
    layout: &Layout,
    fonts: &Fonts,
    tags: &mut Tags,
) -> Result<(), String> {
    let (width, height) = sheet.size;
    let settings = PageSettings::from_wh(width, height).ok_or("a sheet without a size")?;
    let mut page = document.start_page_with(settings);
    let links: Vec<Option<Identifier>> = sheet
        .items
        .iter()
        .map(|item| Some(page.add_tagged_annotation(link(item, layout, fonts)?)))
        .collect();
    let mut surface = page.surface();
    for (item, link) in sheet.items.iter().zip(links) {
        match item {
            Item::Open(role) => tags.open.push(TagGroup::new(kind(role))),
            Item::Close => tags.close(),
            Item::Text { x, y, style, text, .. } => {
                let ink = if link.is_some() { Ink::Link } else { style.ink };
                let said = surface.start_tagged(ContentTag::Other);
                letters(&mut surface, fonts, (*x, *y), Style { ink, ..*style }, text);
                surface.end_tagged();
                match link {
                    None => tags.push(said),
                    Some(leads) => {
                        let both = vec![said.into(), leads.into()];
                        tags.push(TagGroup::with_children(Tag::Link, both));
                    }
                }
            }
            Item::Again { x, y, style, text } => {
                aside(&mut surface, ArtifactType::PaginationOther, |surface| {
                    letters(surface, fonts, (*x, *y), *style, text);
                });
            }
            Item::Fill { x, y, width, height, ink } => {
                aside(&mut surface, ArtifactType::Layout, |surface| {
                    fill(surface, [*x, *y, *width, *height], *ink);
                });
            }
            Item::Picture { x, y, width, height, tree } => {
                let own = surface.start_tagged(ContentTag::Other);
                surface.push_transform(&Transform::from_translate(*x, *y));
                if let Some(size) = Size::from_wh(*width, *height) {
                    let tree = &layout.pictures[*tree];
                    surface.draw_svg(tree, size, SvgSettings::default());
                }
                surface.pop();
                surface.end_tagged();
                tags.push(own);
            }
        }
    }
    surface.finish();
    page.finish();
    Ok(())
}

fn aside(surface: &mut Surface<'_>, kind: ArtifactType, draw: impl FnOnce(&mut Surface<'_>)) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
    draw(surface);
    surface.end_tagged();
}

fn letters(surface: &mut Surface<'_>, fonts: &Fonts, (x, y): (f32, f32), style: Style, text: &str) {
    let color = style.ink.color();
    surface.set_fill(Some(Fill { paint: color.into(), ..Fill::default() }));
    surface.set_stroke(style.bold.then(|| Stroke {
        paint: color.into(),
        width: style.size * BOLDER,
        ..Stroke::default()
    }));
    let mut left = x;
    for run in fonts.runs(text) {
        let start = Point::from_xy(left, y);
        surface.draw_glyphs(start, &run.glyphs, run.font, text, style.size, false);
        left += run.advance * style.size;
    }
    surface.set_stroke(None);
}

fn fill(surface: &mut Surface<'_>, [x, y, width, height]: [f32; 4], ink: Ink) {
    let mut path = PathBuilder::new();
    if let Some(rect) = Rect::from_xywh(x, y, width, height) {
        path.push_rect(rect);
    }
    if let Some(path) = path.finish() {
        surface.set_fill(Some(Fill { paint: ink.color().into(), ..Fill::default() }));
        surface.set_stroke(None);
        surface.draw_path(&path);
    }
}

/// The link of a text whose anchor is somewhere.
fn link(item: &Item, layout: &Layout, fonts: &Fonts) -> Option<Annotation> {
    let Item::Text { x, y, style, text, to: Some(to) } = item else { return None };
    let (sheet, top) = layout.anchors.get(to)?;
    let width = fonts.width(text) * style.size;
    let rect = Rect::from_xywh(*x, y - style.size, width, style.leading())?;
    let target = XyzDestination::new(*sheet, Point::from_xy(0.0, (top - 4.0).max(0.0)));
    let target = Target::Destination(target.into());
    Some(Annotation::new_link(LinkAnnotation::new(rect, target), Some(format!("to {text}"))))
}

fn outline(layout: &Layout) -> Outline {
    let mut outline = Outline::new();
    let mut section: Option<OutlineNode> = None;
    for mark in &layout.marks {
        let place = XyzDestination::new(mark.sheet, Point::from_xy(0.0, (mark.y - 4.0).max(0.0)));
        let node = OutlineNode::new(mark.title.clone(), place);
        match &mut section {
            Some(section) if mark.inner => section.push_child(node),
            _ => {
                if let Some(whole) = section.replace(node) {
                    outline.push_child(whole);
                }
            }
        }
    }
    if let Some(whole) = section {
        outline.push_child(whole);
    }
    outline
}
