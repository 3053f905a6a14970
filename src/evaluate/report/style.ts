/** Looks of a report: light and dark by the reader's system, ink on white when printed, no font or file from anywhere else. */
export const style = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5d6b7c;--rule:#dfe4ea;--good:#2b6cb0;--bad:#d9601a;--accent:#0f766e;--wash:#0f766e18;--warn:#fff7e6;--warn-rule:#e9b949}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1a2029;--ink:#e6ebf1;--soft:#97a5b5;--rule:#2c3541;--good:#63a4e8;--bad:#f08c4a;--accent:#2dd4bf;--wash:#2dd4bf1c;--warn:#2b2412;--warn-rule:#8a6d1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:36px 24px 60px}
header{margin-bottom:22px}
h1{font-size:29px;line-height:1.2;margin:0 0 6px;letter-spacing:-.015em}
h2{font-size:17px;margin:0 0 2px;letter-spacing:-.005em}
.sub{color:var(--soft);margin:0 0 12px;font-size:13.5px}
header .sub{font-size:15px}
.eyebrow{color:var(--accent);font-weight:650;font-size:12.5px;letter-spacing:.09em;text-transform:uppercase;margin:0 0 6px}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px 22px;margin:0 0 16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:16px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px}
.tile b{display:block;font-size:27px;line-height:1.15;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:12.5px;display:block}
.tile .what{color:var(--ink);font-size:13px;font-weight:600;margin-bottom:5px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.pair section{margin:0 0 16px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--ink);font-size:12px;font-family:inherit}
svg .tick{fill:var(--soft);font-size:11.5px;font-variant-numeric:tabular-nums}
svg .name{fill:var(--soft);font-size:12px}
svg .note{font-size:12.5px;font-weight:600}
svg .row{font-size:13px}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.base{stroke:var(--soft);stroke-width:1;fill:none}
.curve{stroke:var(--accent);stroke-width:2.5;fill:none;stroke-linejoin:round;stroke-linecap:round}
.area{fill:var(--wash)}
.chance{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4;fill:none}
.limit{stroke:var(--ink);stroke-width:1.8;fill:none}
.zone{fill:var(--ink);opacity:.09}
.mark{fill:var(--card);stroke:var(--ink);stroke-width:2.2}
.dot{fill:var(--accent)}
.whisker{stroke:var(--accent);stroke-width:1.5;opacity:.55}
.median{stroke:var(--ink);stroke-width:2;opacity:.75}
svg .good{fill:var(--good)}svg .bad{fill:var(--bad)}
svg .strip{opacity:.55}
svg .side{font-weight:650;font-size:13px}
svg .good-text{fill:var(--good)}svg .bad-text{fill:var(--bad)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th{font-weight:600;text-align:right;color:var(--soft);font-size:12.5px;padding:5px 10px;border-bottom:1px solid var(--rule)}
td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--rule)}
tr:last-child td{border-bottom:0}
th:first-child,td:first-child{text-align:left;padding-left:0}
td small{color:var(--soft)}
td:not(:first-child){white-space:nowrap}
.bar{display:inline-block;width:90px;height:8px;border-radius:4px;background:var(--rule);vertical-align:middle;margin-left:8px;overflow:hidden}
.bar i{display:block;height:100%;background:var(--accent);border-radius:4px}
.confusion{display:grid;grid-template-columns:auto repeat(4,1fr);gap:7px;font-variant-numeric:tabular-nums;align-items:stretch}
.confusion>*{padding:13px 8px;border-radius:8px;text-align:center}
.confusion .h{padding:2px 4px;color:var(--soft);font-size:12.5px;font-weight:600}
.confusion .l{padding:13px 10px 13px 0;text-align:left;font-weight:650}
.confusion .c{background:color-mix(in srgb,var(--c) calc(8% + var(--w)*60%),var(--card));border:1px solid color-mix(in srgb,var(--c) 30%,var(--card))}
.confusion .c b{font-size:21px;display:block;line-height:1.2}
.confusion .c small{color:var(--ink);opacity:.72}
.parts{display:grid;grid-template-columns:repeat(6,1fr);gap:12px}
.part{margin:0;min-width:0}
.part svg{border-radius:8px;background:#000}
.part figcaption{font-size:12px;line-height:1.35;margin-top:5px;color:var(--soft);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.part b{color:var(--ink);font-size:13.5px;font-variant-numeric:tabular-nums}
.row-title{margin:20px 0 8px;font-size:14px;font-weight:650}
.row-title span{font-weight:400;color:var(--soft)}
.outline{fill:none;stroke:#fff;stroke-width:1.4;paint-order:stroke}
.outline-dark{fill:none;stroke:#000;stroke-width:3;opacity:.55}
.word{display:inline-block;padding:0 7px;border-radius:9px;font-size:11.5px;font-weight:650;color:#fff}
.PASS{background:var(--good)}.FAIL{background:var(--bad)}.UNDECIDED{background:#8a6d1f}.ERROR{background:#6b4fa0}
.said{background:var(--warn);border-color:var(--warn-rule)}
.said ul{margin:4px 0 0;padding-left:20px}
details summary{cursor:pointer;font-weight:650}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:8px 0 0;font-size:13.5px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
footer{color:var(--soft);font-size:12.5px;margin-top:20px}
@media (max-width:760px){.pair{grid-template-columns:1fr}.parts{grid-template-columns:repeat(3,1fr)}}
@media print{:root{color-scheme:light;--ground:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#ccc;--good:#2b6cb0;--bad:#d9601a;--accent:#0f766e;--wash:#0f766e18;--warn:#fff;--warn-rule:#999}main{max-width:none;padding:0}section,.tile{break-inside:avoid}.parts{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}@page{margin:14mm}}
`.trim();
