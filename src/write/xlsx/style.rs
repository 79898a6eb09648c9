//! How cells look: number formats by what the numbers mean, and the few colors of the book.

use rust_xlsxwriter::{Format, FormatAlign, FormatBorder};

use crate::page::Kind;

/// What a column holds, for its format and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Text.
    Text,
    /// A month, as a date.
    Month,
    /// Money to the cent.
    Usd,
    /// Money to the dollar.
    Dollars,
    /// Small money, four places.
    SmallUsd,
    /// A price of a unit: as many places as it has, up to ten.
    Price,
    /// A number with so many places.
    Number(u8),
    /// A quantity: at least two places, at most six.
    Quantity,
    /// A share, as percent.
    Share,
}

impl From<Kind> for Look {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Month => Self::Month,
            Kind::Usd => Self::Usd,
            Kind::Dollars => Self::Dollars,
            Kind::SmallUsd => Self::SmallUsd,
            Kind::Number(places) => Self::Number(places),
            Kind::Quantity | Kind::Estimate => Self::Quantity,
            Kind::Share => Self::Share,
        }
    }
}

impl Look {
    /// The number format.
    fn pattern(self) -> String {
        match self {
            Self::Text => "General".into(),
            Self::Month => "yyyy-mm".into(),
            Self::Usd => "#,##0.00".into(),
            Self::Dollars | Self::Number(0) => "#,##0".into(),
            Self::SmallUsd => "#,##0.0000".into(),
            Self::Price => "0.00########".into(),
            Self::Number(places) => format!("#,##0.{}", "0".repeat(places.into())),
            Self::Quantity => "#,##0.00####".into(),
            Self::Share => "0.0%".into(),
        }
    }

    /// The format of a cell of the body.
    pub(super) fn format(self) -> Format {
        let format = Format::new().set_num_format(self.pattern());
        match self {
            Self::Text => format.set_align(FormatAlign::Left),
            Self::Month => format.set_align(FormatAlign::Center),
            _ => format.set_align(FormatAlign::Right),
        }
    }

    /// The same in a column: text keeps off the numbers before it.
    pub(super) fn format_in(self, column: u16) -> Format {
        self.indented(self.format(), column)
    }

    fn indented(self, format: Format, column: u16) -> Format {
        if self == Self::Text && column > 0 { format.set_indent(1) } else { format }
    }

    /// The format of a sum.
    pub(super) fn total(self) -> Format {
        self.format().set_bold().set_border_top(FormatBorder::Thin)
    }

    /// The format of a cell that is there to be changed.
    pub(super) fn input(self) -> Format {
        self.format().set_background_color(INPUT).set_font_color(0x1F_3F_8F)
    }

    /// The format of a column's heading.
    fn heading(self) -> Format {
        let format = Format::new()
            .set_bold()
            .set_text_wrap()
            .set_background_color(HEADING)
            .set_border_bottom(FormatBorder::Thin)
            .set_align(FormatAlign::VerticalCenter);
        match self {
            Self::Text => format.set_align(FormatAlign::Left),
            Self::Month => format.set_align(FormatAlign::Center),
            _ => format.set_align(FormatAlign::Right),
        }
    }

    /// The same in a column.
    pub(super) fn heading_in(self, column: u16) -> Format {
        self.indented(self.heading(), column)
    }

    /// Least width, in characters.
    pub(super) fn width(self) -> f64 {
        match self {
            Self::Text => 8.0,
            Self::Month => 9.0,
            Self::Share | Self::Number(0) => 11.0,
            Self::Dollars => 12.0,
            _ => 14.0,
        }
    }
}

/// Fill of cells that are there to be changed.
const INPUT: u32 = 0xFF_F6_D6;
/// Fill of headings.
const HEADING: u32 = 0xE4_EA_F1;
/// Fill where a sheet equals the plan.
pub(super) const GOOD: u32 = 0xD9_EF_DD;
/// Fill where it does not.
pub(super) const DIFFERS: u32 = 0xF9_DC_C4;

/// Colors of series that tell apart without hue alone: dark to light, cold and warm in turn.
pub(super) const SERIES: [u32; 8] = [
    0x1F_4E_79, 0xE0_8E_45, 0x5B_9B_A6, 0x9C_3D_54, 0xA7_BE_D3, 0xF2_C1_4E, 0x6B_6B_8D, 0xC9_C9_C9,
];

/// The sheet's title.
pub(super) fn title() -> Format {
    Format::new().set_bold().set_font_size(14)
}

/// A heading inside a sheet.
pub(super) fn section() -> Format {
    Format::new().set_bold().set_font_size(12)
}

/// What stands under a title.
pub(super) fn note() -> Format {
    Format::new().set_font_color(0x55_55_55).set_align(FormatAlign::Left)
}

/// A label of a figure.
pub(super) fn label() -> Format {
    Format::new().set_bold()
}

/// A label of the tie-out: over numbers, or over what they come to.
pub(super) fn tie_label(column: usize) -> Format {
    match column {
        0 => label(),
        1..=3 => label().set_align(FormatAlign::Right),
        _ => label().set_align(FormatAlign::Left).set_indent(1),
    }
}
