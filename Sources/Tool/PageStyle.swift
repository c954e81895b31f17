extension Page {
    /// Follows the reader's choice of light or dark.
    static let style = """

        :root { color-scheme: light dark; --back: #fbfbfc; --text: #1b1f24; --soft: #646c77; --line: #e2e5ea; --card: #fff; --bar: #9db8f2; --mark: #2f6fed; --warn: #a14a00 }
        @media (prefers-color-scheme: dark) {
          :root { --back: #14161a; --text: #e8eaee; --soft: #99a2ae; --line: #2b2f37; --card: #1c1f25; --bar: #33508f; --mark: #7aa5ff; --warn: #f0a45c }
        }
        * { box-sizing: border-box; margin: 0 }
        body { background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; padding: 2rem clamp(1rem, 4vw, 3.5rem) }
        header, footer { color: var(--soft) }
        h1 { color: var(--text); font-size: 1.6rem; font-weight: 650; letter-spacing: -.01em }
        h2 { font-size: 1.15rem; font-weight: 650; margin-bottom: .6rem }
        h3 { font-size: .92rem; font-weight: 600; overflow-wrap: anywhere }
        header p, footer { font-size: .85rem; overflow-wrap: anywhere }
        .bar { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .4rem 2rem; margin-top: .7rem; font-size: .85rem }
        .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem }
        #controls { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; align-items: center }
        #controls[hidden] { display: none }
        #keys { flex-basis: 100% }
        fieldset { border: 0; display: flex; flex-wrap: wrap; gap: .2rem .9rem; padding: 0 }
        legend { float: left; margin-right: .9rem; padding: 0 }
        label { display: flex; align-items: center; gap: .6rem }
        input { accent-color: var(--mark) }
        input[type=range] { width: 9rem }
        output { min-width: 3.2em; font-variant-numeric: tabular-nums }
        .legend i { display: inline-block; width: 7rem; height: .6rem; border-radius: .3rem; margin: 0 .3rem }
        .turbo { background: linear-gradient(90deg, #30123b, #466be3, #29bbec, #31f299, #a3fd3c, #edd03a, #fb8022, #d23105, #7a0403) }
        .viridis { background: linear-gradient(90deg, #440154, #472d7b, #3b528b, #2c728e, #21908c, #28ae80, #5dc963, #abdc32, #fde725) }
        .inferno { background: linear-gradient(90deg, #000004, #210c4a, #57106d, #89226a, #bb3755, #e35932, #f98d0a, #f9ca32, #fcffa4) }
        .rdbu { background: linear-gradient(90deg, #053061, #2166ac, #4393c3, #92c5de, #d1e5f0, #f7f7f7, #fddbc7, #f4a582, #d6604d, #b2182b, #67001f) }
        .gray { background: linear-gradient(90deg, #000000, #ffffff) }
        section { display: grid; grid-template-columns: 240px 1fr; gap: 2rem; border-top: 1px solid var(--line); margin-top: 1.8rem; padding-top: 1.8rem }
        .about { position: sticky; top: 1.2rem; align-self: start }
        .photo, .picture { aspect-ratio: var(--shape, 1); border-radius: 10px; overflow: hidden }
        .picture { border-radius: 10px 10px 0 0; touch-action: none }
        .lens { background: var(--photo) center / contain no-repeat; width: 100%; height: 100%; transform: scale(var(--zoom, 1)); transform-origin: var(--x, 50%) var(--y, 50%) }
        .lens img { display: block; width: 100%; height: 100%; object-fit: contain; opacity: var(--colours, 1); transition: opacity .15s }
        .drawing { background: #fff; display: block; max-height: 80vh; object-fit: contain; padding: .5rem !important; width: 100% }
        .wide { grid-column: 1 / -1 }
        .numbers { color: var(--soft); font-size: .82rem; font-variant-numeric: tabular-nums; grid-template-columns: 1fr auto; margin: 0 }
        .curve { grid-column: span 2; padding: .4rem }
        .curve img { display: block; width: 100%; height: auto }
        .wide .picture { float: left; margin-right: .8rem; width: 200px }
        .wide::after { clear: both; content: ""; display: block }
        ol { list-style: none; padding: 0; margin-top: .8rem; font-size: .88rem }
        li { display: grid; grid-template-columns: 1fr auto; gap: 0 .6rem; margin-bottom: .45rem }
        li b { font-weight: 500; font-variant-numeric: tabular-nums }
        li i { grid-column: 1 / -1; height: 4px; min-width: 2px; border-radius: 2px; background: var(--bar) }
        li.target span, li.target b { color: var(--mark); font-weight: 650 }
        li.target i { background: var(--mark) }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1.1rem; align-items: start }
        article { background: var(--card); border: 1px solid var(--line); border-radius: 11px; overflow: hidden; padding-bottom: .6rem }
        article > :not(.picture) { padding: 0 .75rem }
        article h3 { margin-top: .55rem }
        article > p { color: var(--soft); display: flex; justify-content: space-between; font-size: .82rem; overflow-wrap: anywhere }
        article > p.warning { color: var(--warn); display: block }
        .time { font-variant-numeric: tabular-nums }
        small { color: var(--soft); font-size: .78rem; font-weight: 400 }
        .unseen { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; white-space: nowrap; width: 1px }
        :focus-visible { outline: 2px solid var(--mark); outline-offset: 2px }
        .none .picture { background: repeating-linear-gradient(45deg, var(--line) 0 1px, transparent 1px 9px); display: grid; place-items: center; color: var(--soft) }
        details { font-size: .8rem; margin-top: .25rem }
        summary { color: var(--soft); cursor: pointer }
        details p { color: var(--soft); margin: .35rem 0 }
        table { border-collapse: collapse; width: 100%; table-layout: fixed }
        th, td { border-top: 1px solid var(--line); padding: .15rem 0; text-align: left; vertical-align: top; font-weight: 400; overflow-wrap: anywhere }
        th { color: var(--soft); padding-right: .5rem }
        .skipped { grid-column: 1 / -1; color: var(--soft) }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin-top: .4rem }
        dd { margin: 0 }
        footer { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1rem }
        @media (prefers-reduced-motion: reduce) { * { transition: none !important } }
        @media (max-width: 720px) { section { grid-template-columns: 1fr } .about { position: static } .photo { max-width: 240px } }

        """
}
