//! Orders in other languages than English.
//!
//! Owns the table of verbs as users write them when they want something done (imperative and infinitive), each with the
//! English verb that [`crate::lexicon`] knows. Whole words, so that `Zahlung` orders no payment; scripts without spaces
//! are searched within a word. General words of the trade; more of them only lets more be ordered by the user's own words.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::words::stem;

/// English verb, and its like. Languages in order: German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish,
/// Czech, Russian, Turkish, Indonesian, Vietnamese (its words without spaces alone), Chinese, Japanese, Korean, Arabic,
/// Hindi.
const VERBS: [(&str, &str); 23] = [
    (
        "send",
        "sende senden schick schicke schicken verschicke verschicken envoie envoyer envoyez envía envia enviar envíale \
    enviale envíe mándale manda mandar mande invia inviare inviagli mandare envie mandá stuur sturen verzend wyślij wyslij \
    wysłać skicka pošli poslat odešli отправь отправить отправьте пошли gönder gönderin yolla kirim kirimkan 发送 发给 \
    发一封 發送 發給 寄 送って 送信 보내 أرسل ارسل भेजो भेजें भेज",
    ),
    (
        "write",
        "schreib schreibe schreiben écris écrire écrivez ecris escribe escribir escríbele scrivi scrivere escreva escrever \
    schrijf napisz skriv napiš напиши написать yaz tulis 写信 写一 寫信 書いて 써 اكتب लिखो लिखें",
    ),
    (
        "reply",
        "antworte antworten beantworte réponds répondre répondez responde responder rispondi rispondere responda \
    beantwoord antwoord odpowiedz svara odpověz ответь ответить yanıtla cevapla balas 回复 回覆 返信 답장 رد",
    ),
    (
        "forward",
        "leite weiterleiten transfère réexpédie reenvía reenviar inoltra inoltrare encaminha encaminhar перешли 转发 轉發 転送 전달",
    ),
    (
        "tell",
        "sag sage benachrichtige informiere teile préviens informe prévenir dile avisa avísale informa dille \
    avvisa avisa diga zeg vertel powiedz säg řekni скажи сообщи söyle bildir beritahu 告诉 告訴 通知 伝えて 알려 أخبر बताओ बताएं",
    ),
    (
        "pay",
        "zahl zahle zahlen bezahl bezahle bezahlen begleiche paie paye payer payez règle paga pagar págale pague pagare \
    saldare betaal betalen zapłać betala zaplať оплати оплатить заплати öde bayar 支付 付款 払って 支払 지불 결제 ادفع भुगतान",
    ),
    (
        "transfer",
        "überweise überweis überweisen virer virez transfiere transferir transfiérele trasferisci bonifica \
    transfira transfere overmaken przelej överför převeď переведи перевести havale 转账 转帐 轉帳 汇款 振り込 送金 이체 송금",
    ),
    (
        "refund",
        "erstatte erstatten rembourse rembourser reembolsa reembolsar devuelve rimborsa reembolse terugbetalen zwróć \
    återbetala верни iade 退款 返金 환불",
    ),
    (
        "buy",
        "kauf kaufe kaufen achète acheter achetez compra comprar cómprame compre acquista comprare koop kup köp купи \
    купить satın 买 購入 買って 구매 اشتر खरीदो",
    ),
    (
        "order",
        "bestelle bestell bestellen commande commander pide pedir ordina ordinare encomenda encomende zamów beställ objednej \
    закажи заказать sipariş 订购 下单 注文 주문 اطلب",
    ),
    (
        "book",
        "buche buchen reserviere reservieren réserve réserver réservez reserva reservar resérvame prenota prenotare \
    boek reserveer zarezerwuj boka rezervuj забронируй rezerve 预订 预定 預訂 予約 예약 احجز",
    ),
    (
        "create",
        "erstelle erstell erstellen anlegen leg lege erzeuge crée créer créez cree crea crear crie criar creare maak utwórz \
    stwórz skapa vytvoř создай создать oluştur buat 创建 新建 建立 作成 만들 أنشئ बनाओ बनाएं",
    ),
    (
        "add",
        "füge füg hinzufügen trag trage eintragen ajoute ajouter ajoutez añade añadir agrega agregar aggiungi aggiungere \
    adicione adicionar voeg dodaj lägg přidej добавь добавить ekle tambahkan 添加 加入 追加 추가 أضف जोड़ो",
    ),
    (
        "change",
        "ändere ändern aktualisiere aktualisieren modifie modifier changer mets cambia cambiar actualiza actualizar \
    modifica aggiorna modificare altere alterar atualize atualizar wijzig zmień zaktualizuj ändra změň измени изменить обнови \
    değiştir güncelle ubah 修改 更改 更新 变更 変更 변경 غير बदलो",
    ),
    (
        "move",
        "verschiebe verschieb verschieben déplace déplacer reporte mueve mover aplaza sposta spostare mova verplaats przenieś \
    flytta přesuň перенеси taşı pindahkan 移动 改期 推迟 移動 延期 옮겨",
    ),
    (
        "delete",
        "lösche lösch löschen entferne entfernen supprime supprimer supprimez efface elimina eliminar borra borrar cancella \
    cancellare exclua excluir apague verwijder usuń skasuj radera smaž удали удалить sil hapus 删除 刪除 削除 삭제 احذف हटाओ",
    ),
    (
        "cancel",
        "storniere stornieren kündige kündigen absagen annule annuler annulez cancela cancelar annulla annullare cancele \
    annuleer odwołaj anuluj avboka zruš отмени отменить iptal batalkan 取消 キャンセル 취소 ألغ रद्द",
    ),
    (
        "invite",
        "lade lad einladen inviter invitez invita invitar invitare convide convidar nodig zaproś bjud pozvi пригласи \
    davet undang 邀请 邀請 招待 초대 ادع",
    ),
    (
        "share",
        "teile teilen partage partager comparte compartir condividi condividere compartilhe udostępnij dela sdílej \
    поделись paylaş bagikan 分享 共享 共有 공유 شارك",
    ),
    (
        "post",
        "poste posten veröffentliche publie publier publica publicar pubblica pubblicare publique plaats opublikuj publicera \
    zveřejni опубликуй yayınla 发布 發布 投稿 게시 انشر",
    ),
    (
        "turn",
        "mach mache schalte schalt stell stelle dreh allume allumer éteins éteindre enciende apaga sube baja accendi spegni \
    acenda apague ligue desligue zet włącz wyłącz tänd släck zapni vypni включи выключи aç kapat nyalakan matikan 打开 关闭 关掉 \
    つけて 消して 켜 꺼 شغل أطفئ",
    ),
    (
        "open",
        "öffne öffnen entsperre ouvre ouvrir déverrouille abre abrir apri aprire sblocca abra otwórz öppna otevři открой \
    aç buka 打开 解锁 開けて 열어 افتح खोलो",
    ),
    (
        "run",
        "führe starte starten ausführen lance lancer exécute ejecuta ejecutar esegui eseguire avvia uruchom kör \
    spusť запусти çalıştır jalankan 运行 执行 実行 실행 شغل",
    ),
];

/// Words before or behind a verb that take the order back.
const DENIALS: [&str; 21] = [
    "nicht", "kein", "keine", "keinen", "niemals", "pas", "jamais", "nunca", "tampoco", "non", "não", "niet", "geen",
    "nie", "inte", "ne", "не", "asla", "jangan", "मत", "لا",
];
/// The same in scripts without spaces, within the word.
const DENIALS_WITHIN: [&str; 10] = ["不要", "别", "別", "勿", "不用", "しないで", "ないで", "하지", "지 마", "지마"];

/// The table turned round: a form, and the stems of the English verbs that it stands for. Asked for each word of a message.
struct Index {
    spaced: HashMap<&'static str, Vec<String>>,
    unspaced: Vec<(&'static str, String)>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { spaced: HashMap::new(), unspaced: Vec::new() };
    for (verb, forms) in VERBS {
        let english = stem(verb);
        for form in forms.split_whitespace() {
            if form.chars().next().is_some_and(is_unspaced) {
                index.unspaced.push((form, english.clone()));
            } else {
                index.spaced.entry(form).or_default().push(english.clone());
            }
        }
    }
    index
});

/// The stems of the English verbs for what the word orders in its language.
pub(crate) fn verbs(word: &str) -> impl Iterator<Item = &'static str> {
    let spaced = INDEX.spaced.get(word).into_iter().flatten();
    let searched = if word.chars().any(is_unspaced) { INDEX.unspaced.as_slice() } else { &[] };
    let within = searched.iter().filter(move |(form, _)| word.contains(form)).map(|(_, verb)| verb);
    spaced.chain(within).map(String::as_str)
}

/// Whether the word takes an order back.
pub(crate) fn denies(word: &str) -> bool {
    DENIALS.contains(&word) || DENIALS_WITHIN.iter().any(|denial| word.contains(denial))
}

/// Chinese, Japanese and Korean: what is one word for [`crate::words`] may be a whole sentence.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}
