// What Tabler has and this product does not use: parts that need tabler.js, parts static/css/mealquest.css has its own of,
// and the named colours (tones are tokens here). Everything else stays, so grid, spacing, text and form classes can be relied on.
const families = [
  "accordion", "avatar", "breadcrumb", "calendar", "carousel", "chart", "chat", "chip", "datagrid", "divide", "dropdown", "dropend",
  "dropstart", "dropup", "empty", "flag", "io", "layout", "list-group", "list-timeline", "markdown", "mention", "modal",
  "nav", "navbar", "offcanvas", "otp", "page", "pagination", "payment", "placeholder", "popover", "progressbg", "ratio", "ribbon",
  "signal", "social", "sortable", "sparkline", "star", "status", "step", "steps", "strength", "switch", "tag", "theme", "timeline",
  "toast", "tooltip", "tracking", "ts", "vc",
];
const colours = "blue|azure|indigo|purple|pink|red|orange|yellow|lime|green|teal|cyan|gray|gray-\\d+|light|dark|muted|x|" +
  "facebook|twitter|linkedin|google|youtube|vimeo|dribbble|github|instagram|pinterest|vk|rss|flickr|bitbucket|tabler";
const dropped = `(${families.join("|")})(-.*)?$|data-vc.*$|[a-z-]+-(${colours})(-lt|-fg)?$`;

export default {
  content: [{ raw: "", extension: "html" }],
  safelist: { standard: [new RegExp(`^(?!${dropped}).+`)] },
  keyframes: true,
};
