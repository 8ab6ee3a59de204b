"""Letters: how wide the letters of the charts' font are, so that words can be placed without a browser.

Liberation Sans, whose widths are those of Arial and Helvetica, in units of 1/2048 of the font size. Imports nothing.
"""

UNIT = 2048

# ruff: noqa: RUF001 - letters that look alike are the point of the table.
_BY_WIDTH = {
    391: "'",
    455: "ijlįĵĺļłſ\u2018\u2019",
    532: "|¦",
    569: " !,./:;I[\\]ft·ÌÍÎÏìíîïĨĩĪīĬĭĮİıţŧ",
    597: "ľ",
    682: "()-`r¡¨²³´¸¹ŕŗř\u201c\u201d",
    684: "{}ŀ",
    727: '"',
    748: "º",
    758: "ª",
    768: "ť",
    797: "*",
    819: "°",
    909: "ĳ",
    961: "^",
    1024: "JcksvxyzçýÿćĉċčĴķĸśŝşšŷźżž",
    1100: "¶",
    1124: "±÷",
    1131: "¯",
    1139: "#$0123456789?L_abdeghnopqu¢£¤¥§«»àáâãäåèéêëðñòóôõöùúûüþāăąđēĕėęěĝğġģĥħĹĻĽĿŁńņňŋōŏőũūŭůűų\u2013",
    1180: "µ",
    1196: "+<=>~¬×\u2212",
    1237: "ŉ",
    1251: "FTZ¿ßøŢŤŦŹŻŽ",
    1259: "ď",
    1366: "&ABEKPSVXYÀÁÂÃÄÅÈÉÊËÝÞĀĂĄĒĔĖĘĚĶŚŜŞŠŶŸ",
    1479: "CDHNRUwÇÐÑÙÚÛÜĆĈĊČĎĐĤĦŃŅŇŔŖŘŨŪŬŮŰŲŵ",
    1481: "Ŋ",
    1505: "Ĳ",
    1509: "©®",
    1593: "GOQÒÓÔÕÖØĜĞĠĢŌŎŐ",
    1706: "Mm",
    1708: "¼½¾",
    1821: "%æ",
    1933: "WœŴ",
    2048: "ÆŒ\u2014…",
    2079: "@",
}

_PAIRS_BY_SHIFT = {
    -264: "P,P.Y,Y.",
    -227: "F,F.T,T.T:T;TaTcTeToTs",
    -188: "V,V.Y-YeYoYq",
    -152: "11ATAVAYA\u2019LTLVLWLYPATAVAVaYAYaYpv,v.y,y.",
    -133: "Y;",
    -113: " AA FAL\u2019T-TwTyV-VeVoW,W.Y:YuYvr,r.w,w.",
    -76: "AWL LyTiTrTuV:V;VrVuVyWAWaYi\u2019 ",
    -37: " T YAvAwAyP RTRVRWRYT TOViW-W:W;WeWoWrWuY ff\u2018\u2018\u2019s\u2019\u2019",
    -18: "Wy",
    37: "f\u2019",
    76: "r\u2019",
}
"""Pairs of letters one after another without a space between pairs: what is set closer, by how much."""

WIDTHS = {letter: width for width, letters in _BY_WIDTH.items() for letter in letters}

SHIFTS = {
    pairs[index : index + 2]: shift for shift, pairs in _PAIRS_BY_SHIFT.items() for index in range(0, len(pairs), 2)
}
